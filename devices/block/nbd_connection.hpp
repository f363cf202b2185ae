/// One connection to an NBD server, by libnbd.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/block/io_budget.hpp"
#include "devices/block/nbd_library.hpp"
#include "devices/block/nbd_piece.hpp"
#include "devices/block/nbd_source.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

namespace devices::block {

/// For one thread. Whatever it was given is completed by `begin`, by `drive` or, at its end, by `~NbdConnection`.
class NbdConnection {
  public:
    /// Copies of data are charged to the account. When that has room again, `pump` is to be called.
    explicit NbdConnection(IoBudget::Account& memory) : memory_{memory} {}
    NbdConnection(NbdConnection const&) = delete;
    NbdConnection& operator=(NbdConnection const&) = delete;
    /// Completes with Unreachable what is under way.
    ~NbdConnection();

    /// Waits until the server is ready, or until `wake`, a descriptor, can be read. An empty text, or what is wrong.
    [[nodiscard]] std::string connect(NbdSource& source, int wake, std::chrono::milliseconds limit);

    /// Of the export, once connected.
    [[nodiscard]] Properties properties() const;
    [[nodiscard]] NbdBlockSizes const& block_sizes() const { return sizes_; }

    void begin(Request& request);
    /// Sends what waits, as far as there is memory for it.
    void pump();
    /// Waits until something happens on the connection or `wake`; completes what has ended. False when the server is
    /// gone.
    [[nodiscard]] bool drive(int wake);

    /// Whether writes were answered that may not be on the server's medium.
    [[nodiscard]] bool has_unflushed_writes() const { return written_ > flushed_; }

    /// Says goodbye, waiting a moment at most.
    void disconnect();

  private:
    /// A command that the server has.
    struct Command {
        NbdConnection& connection;
        Request* request;
        NbdPiece piece{};
        bool reads_first = false;  ///< of WriteBlock: the block is not there yet
        std::byte* data = nullptr; ///< in the guest's memory, when it lies there as a whole; otherwise in the copy
        std::unique_ptr<std::byte[]> copy{};
        std::uint64_t charged = 0;
        std::uint64_t written_before = 0; ///< of a Flush
        int error = 0;
        Command* next_ended = nullptr;
        std::list<Command>::iterator self{};
    };
    /// What has become of a request so far.
    struct Job {
        std::uint64_t begun = 0; ///< bytes from its start
        unsigned under_way = 0;  ///< commands
        Result result = Result::Done;
    };
    using Jobs = std::unordered_map<Request*, Job>;

    [[nodiscard]] bool wait(int wake, int timeout_ms, bool& woken);
    enum class Begun { Yes, WaitsForOthers, WaitsForMemory };
    [[nodiscard]] Begun begin_piece(Request& request, Job& job);
    [[nodiscard]] bool must_wait(Request const& request, Job const& job, NbdPiece const& piece) const;
    [[nodiscard]] NbdPiece piece_of(Request const& request, Job const& job, std::uint64_t most) const;
    [[nodiscard]] bool provide_memory(Command& command, Job const& job);
    void begin_flush(Request& request, Job& job);
    void send(Command& command);
    [[nodiscard]] std::int64_t issue(Command& command);
    void finish_ended();
    void finish(Command& command);
    /// Whether the command goes on after what has ended.
    [[nodiscard]] bool goes_on(Command& command);
    [[nodiscard]] bool can_ask_for_less(Command const& command);
    [[nodiscard]] bool send_rest_again(Command& command);
    void settle(Request& request);
    void answer(Jobs::iterator job);
    void release(Command& command);
    static int ended(void* command, int* error);

    IoBudget::Account& memory_;
    nbd_handle* handle_ = nullptr;
    NbdBlockSizes sizes_{};
    Jobs jobs_;
    std::list<Request*> waiting_; ///< that are not begun as a whole, in order
    std::list<Command> commands_;
    Command* ended_ = nullptr; ///< not finished yet, a list
    Command** ended_end_ = &ended_;
    std::uint64_t written_ = 0; ///< writes that were answered
    std::uint64_t flushed_ = 0; ///< and those of them before a flush that was answered
};

} // namespace devices::block
