/// The two ends of the frame interface, for tests of the other one.
#pragma once

#include "devices/net/frame_backend.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace devices::net::testing {

struct RecordedFrame {
    Offload offload{};
    std::vector<std::byte> bytes{};
};

inline std::vector<std::byte> join(std::span<iovec const> pieces)
{
    std::vector<std::byte> all;
    for (auto const& piece : pieces) {
        auto const* const from = static_cast<std::byte const*>(piece.iov_base);
        all.insert(all.end(), from, from + piece.iov_len);
    }
    return all;
}

/// A guest that takes all frames, or as many as it is told to have room for.
class RecordingReceiver final : public FrameReceiver {
  public:
    [[nodiscard]] bool receive(FrameSource& source) override
    {
        std::unique_lock lock{mutex_};
        for (;;) {
            if (room == 0) return false;
            RecordedFrame frame;
            frame.bytes.resize(largest_frame);
            auto const half = frame.bytes.size() / 2; // two pieces, as guests have them
            std::array const pieces{iovec{frame.bytes.data(), 20}, iovec{frame.bytes.data() + 20, half}};
            auto const size = source.read(frame.offload, pieces);
            if (size == 0) return true;
            frame.bytes.resize(size);
            frames_.push_back(std::move(frame));
            --room;
            arrived_.notify_all();
        }
    }

    void lost() override { was_lost = true; }
    std::atomic<bool> was_lost{false};

    /// The next frame that `wanted` likes; others are dropped. Nothing when none comes within ten seconds.
    template <typename Wanted>
    std::optional<RecordedFrame> wait_for(Wanted wanted)
    {
        std::unique_lock lock{mutex_};
        auto const until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        for (;;) {
            while (!frames_.empty()) {
                auto frame = std::move(frames_.front());
                frames_.pop_front();
                if (wanted(frame)) return frame;
            }
            if (arrived_.wait_until(lock, until) == std::cv_status::timeout && frames_.empty()) return std::nullopt;
        }
    }

    [[nodiscard]] std::size_t frames()
    {
        std::lock_guard const lock{mutex_};
        return frames_.size();
    }

    void give_room(std::size_t frames)
    {
        std::lock_guard const lock{mutex_};
        room = frames;
    }

    std::size_t room = 1'000'000;

  private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<RecordedFrame> frames_;
};

/// A host that keeps what it is sent, and delivers frames on the test's own thread, or another one of its.
class RecordingBackend final : public FrameBackend {
  public:
    [[nodiscard]] std::string description() const override { return "recorder"; }
    [[nodiscard]] SendOffloads send_offloads() const override { return offers; }
    void start(FrameReceiver& receiver) override { receiver_ = &receiver; }
    void stop() override { stopped = true; }

    bool send(Offload const& offload, std::span<iovec const> frame) override
    {
        std::lock_guard const lock{mutex_};
        if (!accepts) return false;
        sent.push_back({offload, join(frame)});
        if (on_send) on_send();
        return true;
    }
    void listen(ReceiveOffloads offloads) override
    {
        listening = true;
        receive_offloads = offloads;
        ++listens;
    }
    void ignore() override { listening = false; }
    void room_again() override { ++rooms; }
    void quiesce(hv::StillBusy) override { quiesced = true; }
    void resume() override { quiesced = false; }
    [[nodiscard]] hv::vmbus::Runner* runner() override { return has_thread ? &tasks_ : nullptr; }

    /// What the backend's thread would do next. False when there was nothing to do.
    bool run_thread() { return tasks_.crank_one(); }

    void lose() { receiver_->lost(); }

    /// Frames for the guest; what it does not take stays, and all while this is quiesced. False when it said that it
    /// has no room.
    bool deliver(std::vector<RecordedFrame> frames)
    {
        for (auto& frame : frames)
            source_.waiting.push_back(std::move(frame));
        return quiesced || !listening || receiver_->receive(source_);
    }
    bool deliver(RecordedFrame frame) { return deliver(std::vector{std::move(frame)}); }
    bool deliver_waiting() { return deliver(std::vector<RecordedFrame>{}); }
    [[nodiscard]] std::size_t waiting() const { return source_.waiting.size(); }

    SendOffloads offers{true, true, true};
    ReceiveOffloads receive_offloads{};
    std::atomic<bool> listening = false;
    bool accepts = true;
    std::atomic<bool> has_thread = false;
    bool stopped = false;
    unsigned listens = 0;
    std::atomic<unsigned> rooms = 0; ///< calls of room_again
    std::atomic<bool> quiesced = false;
    std::vector<RecordedFrame> sent;
    std::function<void()> on_send;

  private:
    class Source final : public FrameSource {
      public:
        [[nodiscard]] std::size_t read(Offload& offload, std::span<iovec const> into) override
        {
            if (waiting.empty()) return 0;
            auto const frame = std::move(waiting.front());
            waiting.pop_front();
            offload = frame.offload;
            std::size_t done = 0;
            for (auto const& piece : into) {
                auto const size = std::min(piece.iov_len, frame.bytes.size() - done);
                if (size == 0) break;
                std::memcpy(piece.iov_base, frame.bytes.data() + done, size);
                done += size;
            }
            return done;
        }
        std::deque<RecordedFrame> waiting;
    };

    std::mutex mutex_;
    Source source_;
    FrameReceiver* receiver_ = nullptr;
    hv::testing::CrankedExecutor tasks_;
};

} // namespace devices::net::testing
