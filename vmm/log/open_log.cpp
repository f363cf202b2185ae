#include "vmm/log/open_log.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/host/output_file.hpp"
#include "vmm/log/standard_error.hpp"
#include "vmm/log/text_file.hpp"

#include <spdlog/details/os.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <mutex>
#include <string_view>
#include <time.h>

namespace vmm {

namespace {

std::string_view colour_of(spdlog::level::level_enum level)
{
    switch (level) {
    case spdlog::level::info: return "\033[32m";
    case spdlog::level::warn: return "\033[33m\033[1m";
    case spdlog::level::err: return "\033[31m\033[1m";
    case spdlog::level::critical: return "\033[1m\033[41m";
    default: return "\033[36m";
    }
}

class LineSink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    LineSink(LineWriter& writer, bool coloured) : writer_{writer}, coloured_{coloured} {}

  private:
    void sink_it_(spdlog::details::log_msg const& message) override
    {
        spdlog::memory_buf_t formatted;
        formatter_->format(message, formatted);
        std::string line{formatted.data(), formatted.size()};
        if (coloured_ && message.color_range_end > message.color_range_start) {
            line.insert(message.color_range_end, "\033[0m");
            line.insert(message.color_range_start, colour_of(message.level));
        }
        writer_.put(line);
    }
    void flush_() override {}

    LineWriter& writer_; // lives as long as the process logs
    bool const coloured_;
};

bool is_coloured(std::FILE* stream)
{
    return spdlog::details::os::in_terminal(stream) && spdlog::details::os::is_color_terminal();
}

} // namespace

std::shared_ptr<LineWriter> open_log(std::string const& level, std::string const& file)
{
    auto const parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off")
        throw UserError{"unknown log level '" + level + "': use trace, debug, info, warning, error, critical or off"};

    auto writer = file.empty() ? nullptr : open_text_file("the log", file, Existing::Continued);
    auto sink = writer ? std::make_shared<LineSink>(*writer, false)
                       : std::make_shared<LineSink>(standard_error(), is_coloured(stderr));
    ::tzset(); // its file is read here, not with the first line, by a thread that may open none
    auto logger = std::make_shared<spdlog::logger>("porthole", std::move(sink));
    logger->set_pattern(file.empty() ? "porthole: %^%l%$: %v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    logger->set_level(parsed);
    logger->set_error_handler([](std::string const&) {}); // spdlog's own would write to standard error, and wait
    spdlog::set_default_logger(std::move(logger));
    return writer;
}

} // namespace vmm
