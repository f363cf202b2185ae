/// A backend whose blocks are in the test's memory, and which answers when, and what, the test wants.
#pragma once

#include "devices/block/backend.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace devices::block::testing {

class RecordingBackend final : public Backend {
  public:
    struct Record {
        Operation operation;
        std::uint64_t offset;
        std::uint64_t length;

        friend bool operator==(Record const&, Record const&) = default;
    };

    explicit RecordingBackend(Properties const& properties) : disk(properties.size), properties_{properties} {}

    [[nodiscard]] Properties const& properties() const override { return properties_; }

    std::optional<Result> submit(Request& request) override
    {
        auto const lock = std::lock_guard{mutex_};
        records.push_back({request.operation, request.offset, request.length});
        if (stopped) return Result::Unreachable;
        if (later) {
            waiting_.push_back(&request);
            return std::nullopt;
        }
        return carry_out(request);
    }

    void stop() override
    {
        stopped = true;
        while (!hangs && answer_next(Result::Unreachable)) {
        }
    }

    /// Data move now or after `resume`; answers may come meanwhile, as from a file.
    void quiesce(hv::StillBusy) override
    {
        auto const lock = std::lock_guard{mutex_};
        for (auto* const request : waiting_)
            done_.emplace(request, carry_out(*request));
        quiesced = true;
    }
    void resume() override { quiesced = false; }

    /// Answers the oldest request that waits; false when there is none.
    bool answer_next(std::optional<Result> result = std::nullopt)
    {
        Request* request = nullptr;
        {
            auto const lock = std::lock_guard{mutex_};
            if (waiting_.empty()) return false;
            request = waiting_.front();
            waiting_.pop_front();
            auto const done = done_.extract(request);
            if (!result) result = done ? done.mapped() : carry_out(*request);
        }
        request->completed(*result);
        return true;
    }
    [[nodiscard]] std::size_t waiting()
    {
        auto const lock = std::lock_guard{mutex_};
        return waiting_.size();
    }

    std::vector<std::byte> disk;
    std::vector<Record> records;
    std::atomic<bool> later{false}; ///< nothing is answered at once
    std::atomic<bool> stopped{false};
    std::atomic<bool> quiesced{false};
    bool hangs = false;            ///< stopping it answers nothing
    Result outcome = Result::Done; ///< of everything

  private:
    Result carry_out(Request& request)
    {
        if (outcome != Result::Done) return outcome;
        auto* at = disk.data() + request.offset;
        switch (request.operation) {
        case Operation::Read:
        case Operation::Write:
            for (auto const& buffer : request.buffers) {
                if (request.operation == Operation::Read) {
                    std::memcpy(buffer.iov_base, at, buffer.iov_len);
                } else {
                    std::memcpy(at, buffer.iov_base, buffer.iov_len);
                }
                at += buffer.iov_len;
            }
            break;
        case Operation::Flush: break;
        case Operation::Discard:
        case Operation::WriteZeroes: std::fill_n(at, request.length, std::byte{0}); break;
        }
        return Result::Done;
    }

    Properties const properties_;
    std::mutex mutex_;
    std::deque<Request*> waiting_;
    std::map<Request*, Result> done_; ///< and not answered yet
};

} // namespace devices::block::testing
