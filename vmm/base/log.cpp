#include "vmm/base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <stdexcept>

namespace vmm {

void open_log(std::string const& level, std::string const& file)
{
    auto const parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off")
        throw std::runtime_error{"unknown log level '" + level +
                                 "': use trace, debug, info, warning, error, critical or off"};

    std::shared_ptr<spdlog::logger> logger;
    try {
        logger = file.empty() ? spdlog::stderr_color_mt("porthole") : spdlog::basic_logger_mt("porthole", file);
    } catch (spdlog::spdlog_ex const& e) {
        throw std::runtime_error{"cannot write the log file '" + file + "': " + e.what()};
    }
    logger->set_pattern(file.empty() ? "porthole: %^%l%$: %v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    logger->set_level(parsed);
    logger->flush_on(spdlog::level::warn);
    spdlog::set_default_logger(std::move(logger));
}

bool RateLimit::admit(std::uint64_t& suppressed)
{
    if (spent_.load(std::memory_order_relaxed) < burst && spent_.fetch_add(1, std::memory_order_relaxed) < burst)
        return true;

    auto const now = std::chrono::steady_clock::now().time_since_epoch().count();
    auto next = next_ns_.load(std::memory_order_relaxed);
    if (now < next || !next_ns_.compare_exchange_strong(next, now + 1'000'000'000)) {
        swallowed_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    suppressed = swallowed_.exchange(0, std::memory_order_relaxed);
    return true;
}

} // namespace vmm
