/// An io_uring and the thread that takes its completions: for what the kernel does not answer at once.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/base/unique_fd.hpp"
#include "devices/block/backend.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <liburing.h>
#include <memory>
#include <string>
#include <thread>

namespace devices::block {

/// Whose requests go through a ring, a system call at a time.
class RingClient {
  public:
    RingClient() = default;
    RingClient(RingClient const&) = delete;
    RingClient& operator=(RingClient const&) = delete;
    virtual ~RingClient() = default;

    /// Fills in the request's next system call. On any thread, with the ring's lock held.
    virtual void prepare(io_uring_sqe& entry, Request& request) = 0;
    /// `result` is what the system call returned, or -errno; also when the ring could not take it. On the ring's
    /// thread; may begin the next one.
    virtual void ended(Request& request, int result) = 0;
};

/// Callable from any thread. It does what ring_setup.cpp lists; other entries end with -EACCES. What the kernel does
/// not take now is given to it again, by the ring's thread; what it refuses for good ends with its error. Nobody
/// waits for that.
class IoRing {
  public:
    /// Gives the kernel what is queued: how many entries it took, or -errno. Replaced in tests.
    using Submit = std::function<int(io_uring*)>;
    /// Hears what goes wrong; on the ring's thread.
    using Notice = std::function<void(std::string const&)>;

    /// Throws OpenError when this host gives no io_uring, std::system_error when it has no thread left.
    explicit IoRing(Notice notice = nullptr, Submit submit = io_uring_submit);
    IoRing(IoRing const&) = delete;
    IoRing& operator=(IoRing const&) = delete;
    /// There must be nothing under way. Also on the ring's thread.
    ~IoRing();

    /// Begins the request's next system call. `client` will be told of its end.
    void begin(RingClient& client, Request& request);

    /// Gives the kernel nothing new, and keeps `busy` while it has a Read: that may write into its memory. Others may
    /// end meanwhile. Once is enough for all who use the ring; more than once is fine.
    void quiesce(hv::StillBusy busy);
    void resume();

  private:
    static constexpr unsigned entries = 128;

    struct State;

    /// What the kernel will not get any more.
    struct Refused {
        bool any = false;
        Request* request = nullptr; ///< nullptr: the event's entry
        bool was_read = false;      ///< counted in `reads`
    };

    /// What the kernel is to get, and has not taken yet.
    struct Submissions {
        explicit Submissions(State& of) : state{of} {}

        void add(Request& request);
        /// Gives the kernel what it takes. False when something is left.
        [[nodiscard]] bool flush();
        /// The next one, if there is one, when the kernel refuses the ring.
        [[nodiscard]] Refused take_refused();

        State& state;
        Request* first = nullptr; ///< that have no entry yet, a list in order
        Request** end = &first;
        std::array<Request*, entries> queued{}; ///< in entries that the kernel has not taken; nullptr: the event's
        unsigned queued_from = 0;
        unsigned queued_to = 0;
        hv::StillBusy busy{};   ///< until no read is left
        int error = 0;          ///< the kernel takes nothing any more
        bool must_watch = true; ///< the ring is to say when the event comes
        bool ending = false;

      private:
        void prepare_watch();
        void prepare_requests();
        [[nodiscard]] Request* take_first();
    };

    /// The thread keeps it alive, should the ring end on that very thread.
    struct State {
        explicit State(Submit how);
        State(State const&) = delete;
        State& operator=(State const&) = delete;
        ~State();

        void fail_rest();
        void take_completions();
        [[nodiscard]] bool take_ready();
        void read_ended();
        void wake() const;

        Submit const submit;
        io_uring ring{}; ///< its submission queue is `submissions`' alone; the completion queue is the thread's
        UniqueFd event;

        std::atomic<unsigned> reads{0};    ///< that the kernel has, or is to get next
        std::atomic<bool> quiesced{false}; ///< changes while the submissions are locked
        /// Written before the kernel gets entries and read after their completions: what it orders is an order for
        /// C++ too.
        std::atomic<unsigned> handed_over{0};

        devices::Guarded<Submissions, devices::LockRank::Leaf> submissions{*this};
    };

    std::shared_ptr<State> const state_;
    std::thread thread_;
};

} // namespace devices::block
