/// Lines of text on their way to a descriptor that may block or fail: standard error, a log, a trace.
#pragma once

#include "vmm/console/descriptor.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace vmm {

/// Whoever puts a line never waits: a thread of this object writes it. A reader that stands still, or a file system
/// that hangs, costs lines, and the next line that gets through says how many.
class LineWriter {
  public:
    struct Limits {
        std::size_t capacity = std::size_t{8} << 20;     ///< bytes that wait to be written
        std::size_t reserve = std::size_t{64} << 10;     ///< bytes more, for important lines
        std::chrono::milliseconds patience{2'000};       ///< of finish(), while nothing moves
        std::chrono::milliseconds most_patience{10'000}; ///< of finish(), altogether
        std::chrono::milliseconds retry{1'000};          ///< between attempts after a failure
    };
    /// Called once, on the writing thread, with the errno of the first write that failed.
    using Failed = std::function<void(int error)>;

    /// `prefix` begins the lines that this object adds. Works without its thread, if there is none to be had: then a
    /// line is written at once or not at all.
    explicit LineWriter(ConsoleDescriptor descriptor, std::string_view prefix = {}, Failed failed = nullptr)
        : LineWriter{std::move(descriptor), prefix, std::move(failed), Limits{}}
    {}
    LineWriter(ConsoleDescriptor descriptor, std::string_view prefix, Failed failed, Limits const& limits);
    LineWriter(LineWriter const&) = delete;
    LineWriter& operator=(LineWriter const&) = delete;
    ~LineWriter(); ///< finishes

    /// `line` has its end. From any thread.
    void put(std::string_view line) noexcept;
    /// The same for what must not be lost among others: it has room when put() has none.
    void put_important(std::string_view line) noexcept;

    /// Writes what is left, and gives up after a while. Lines that are put later are lost. Once.
    void finish() noexcept;

    /// Lines that were not written.
    [[nodiscard]] std::uint64_t lost() const;
    /// Whether some of them were lost to the file's fault, such as a full disk, and not to its reader's.
    [[nodiscard]] bool failed() const;

  private:
    struct Shared;

    std::shared_ptr<Shared> shared_; // with a thread that may be stuck in write(2) and outlive this object
    bool finished_ = false;
};

} // namespace vmm
