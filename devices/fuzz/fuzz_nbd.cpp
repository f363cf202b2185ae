/// A server that lies to the host: what it says, from its first byte on, is the
/// input. libnbd is the real one, at one end of a pair of sockets.
///
/// The first byte: bit 0 has an honest handshake of the old style come first: a
/// value for the size, 2 bytes of flags. Otherwise all that the server ever
/// says follows: its length, a value, and the bytes; then it is silent. Bit 1
/// puts the disk with its thread between, which may be late for a step; without
/// it, the same input does the same. Steps follow. The first byte says what
/// (modulo 7), numbers called "value" are Input::value's:
///   0  the host wants something: operation (modulo 5), a value for the offset;
///   for reads and writes how many buffers
///      (modulo 3, plus 1) and values for their lengths, less 1; for others a
///      value for the length; all in sectors
///   1  the host looks what has come, so many times (modulo 16)
///   2  the server says: length, a value, and the bytes
///   3  the server answers a command: its number, an error, both values, and so
///   many bytes of data (a value) 4  the same with a structured reply: number,
///   flags (1 byte), type (2 bytes), and so many bytes 5  the server takes what
///   it was sent 6  the server says no more (even) or has gone (odd)
#include "devices/base/unique_fd.hpp"
#include "devices/block/io_budget.hpp"
#include "devices/block/nbd_backend.hpp"
#include "devices/block/nbd_connection.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <dlfcn.h>
#include <memory>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

using namespace devices;
using namespace devices::block;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

std::atomic<int> next_socket = -1; ///< what the next connection talks over; there is none for another

int connect_to_pair(nbd_handle* handle, char const*)
{
    using Connect = int (*)(nbd_handle*, int);
    static auto* const connect =
        reinterpret_cast<Connect>(::dlsym(::dlopen("libnbd.so.0", RTLD_NOW), "nbd_aio_connect_socket"));
    return connect(handle, next_socket.exchange(-1));
}

NbdLibrary load()
{
    auto* const library = ::dlopen("libnbd.so.0", RTLD_NOW);
    require(library != nullptr, "libnbd is installed");
    NbdLibrary functions{};
#define PORTHOLE_NBD_FIND(name)                                                                                      \
    functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(library, "nbd_" #name));
    PORTHOLE_NBD_FUNCTIONS(PORTHOLE_NBD_FIND)
#undef PORTHOLE_NBD_FIND
    functions.aio_connect_uri = connect_to_pair;
    return functions;
}

} // namespace

/// Stands for the library's own, which is not linked then.
NbdLibrary const& devices::block::nbd_library()
{
    static auto const library = load();
    return library;
}

namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t longest_buffer = 128 << 10;
/// Beyond the end its pieces are refused one by one.
constexpr std::uint64_t longest_clearing = 1 << 30;
constexpr std::size_t most_requests = 256;
constexpr std::uint64_t budget = 1 << 20; ///< so little that it is used up

class Wanted final : public Request {
  public:
    void completed(Result result) noexcept override
    {
        require(answer.exchange(static_cast<int>(result)) == none, "a request is answered once");
        answer.notify_all();
    }
    void add(std::size_t size)
    {
        memory.emplace_back(size);
        buffers.push_back({memory.back().data(), size});
        length += size;
    }

    std::vector<std::vector<std::byte>> memory;
    static constexpr int none = -1;
    std::atomic<int> answer = none;
};

template <typename Number>
void append_big_endian(std::vector<std::byte>& to, Number number)
{
    for (unsigned i = sizeof number; i-- > 0;)
        to.push_back(static_cast<std::byte>(number >> 8 * i));
}

class World {
  public:
    explicit World(Input& input)
    {
        std::array<int, 2> ends{};
        require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0, "sockets");
        next_socket = ends[0];
        server_ = UniqueFd{ends[1]};
        auto const how = input.byte();
        if ((how & 1) != 0) {
            greet(input);
        } else {
            say(std::as_bytes(input.counted_bytes()));
            ::shutdown(server_.get(), SHUT_WR);
        }
        // Neither waits: what it could wait for has come.
        if ((how & 2) != 0)
            open_disk();
        else
            connect();
    }

    void step(Input& input)
    {
        switch (input.below(7)) {
        case 0: want(input); break;
        case 1:
            for (auto times = input.below(16); times > 0 && connection_; --times) {
                if (std::exchange(has_room_, false)) connection_->pump();
                if (!connection_->drive(wake_.get())) connection_.reset(); // as its owner does
            }
            break;
        case 2: say(std::as_bytes(input.counted_bytes())); break;
        case 3: answer(input); break;
        case 4: answer_in_part(input); break;
        case 5: take_all(); break;
        default:
            if (input.byte() % 2 == 0)
                ::shutdown(server_.get(), SHUT_WR);
            else
                server_.reset();
        }
    }

    void end()
    {
        if (connection_) (void)connection_->has_unflushed_writes();
        if (!server_ && connection_) connection_->disconnect();
        connection_.reset();
        require(budget_.used() == 0, "what was taken of the budget is given back");
        server_.reset();
        if (disk_) {
            hv::testing::Inspected seen;
            disk_->inspect(seen);
            disk_->stop();
            for (auto const& request : requests_)
                request->answer.wait(Wanted::none);
            disk_.reset();
        }
        for (auto const& request : requests_)
            require(request->answer != Wanted::none, "no request stays without an answer");
    }

  private:
    static void require_one_line(std::string_view text)
    {
        require(text.find('\n') == std::string_view::npos, "a complaint is one line");
    }
    void connect()
    {
        connection_ = std::make_unique<NbdConnection>(memory_);
        auto const source = nbd_source("nbd://");
        auto const complaint = connection_->connect(*source, -1, std::chrono::seconds{5});
        require_one_line(complaint);
        if (complaint.empty())
            (void)connection_->properties();
        else
            connection_.reset();
    }
    void open_disk()
    {
        try {
            disk_ = std::make_unique<NbdBackend>("nbd://server", NbdBackend::How{.notice = require_one_line});
            require(disk_->properties().size % sector == 0, "a disk has whole sectors");
        } catch (OpenError const& error) {
            require_one_line(error.what());
        }
    }

    /// NBD's protocol.md, "Oldstyle negotiation".
    void greet(Input& input)
    {
        std::vector<std::byte> words;
        append_big_endian(words, std::uint64_t{0x4e42'444d'4147'4943}); // NBDMAGIC
        append_big_endian(words, std::uint64_t{0x0000'4202'8186'1253});
        append_big_endian(words, input.value());
        append_big_endian(words, std::uint16_t{0});
        append_big_endian(words, input.take<std::uint16_t>());
        words.resize(words.size() + 124);
        say(words);
    }

    /// What the socket has room for.
    void say(std::span<std::byte const> bytes)
    {
        if (server_) (void)::send(server_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    void answer(Input& input)
    {
        std::vector<std::byte> words;
        auto const number = input.value();
        append_big_endian(words, std::uint32_t{0x6744'6698});
        append_big_endian(words, static_cast<std::uint32_t>(input.value()));
        append_big_endian(words, number);
        words.resize(words.size() + input.value() % longest_buffer, std::byte{0x5A});
        say(words);
    }

    void answer_in_part(Input& input)
    {
        std::vector<std::byte> words;
        auto const number = input.value();
        append_big_endian(words, std::uint32_t{0x668e'33ef});
        append_big_endian(words, std::uint16_t{input.byte()});
        append_big_endian(words, input.take<std::uint16_t>());
        append_big_endian(words, number);
        auto const payload = std::as_bytes(input.counted_bytes());
        append_big_endian(words, static_cast<std::uint32_t>(payload.size()));
        words.insert(words.end(), payload.begin(), payload.end());
        say(words);
    }

    void take_all()
    {
        std::array<std::byte, 64 << 10> bytes;
        while (server_ && ::recv(server_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
    }

    void want(Input& input)
    {
        auto request = std::make_unique<Wanted>();
        request->operation = Operation{static_cast<std::uint8_t>(input.below(5))};
        request->offset = sector * input.value();
        if (request->operation == Operation::Read || request->operation == Operation::Write) {
            for (auto count = 1 + input.below(3); count > 0; --count)
                request->add(sector * (1 + input.value() % (longest_buffer / sector)));
        } else if (request->operation != Operation::Flush) {
            request->length = sector * (input.value() % (longest_clearing / sector));
        }
        if ((!connection_ && !disk_) || requests_.size() == most_requests) return;
        if (disk_ && !fits_disk(*request)) return;
        requests_.push_back(std::move(request));
        if (connection_) return connection_->begin(*requests_.back());
        if (auto const result = disk_->submit(*requests_.back())) requests_.back()->completed(*result);
    }

    /// Who uses a disk sees to that.
    [[nodiscard]] bool fits_disk(Wanted const& request) const
    {
        auto const& properties = disk_->properties();
        bool const changes = request.operation != Operation::Read && request.operation != Operation::Flush;
        if (changes && properties.read_only) return false;
        return request.offset <= properties.size && request.length <= properties.size - request.offset;
    }

    UniqueFd wake_{::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)}; ///< always readable: nothing waits
    UniqueFd server_;
    std::vector<std::unique_ptr<Wanted>> requests_;
    IoBudget budget_{budget};
    bool has_room_ = false;
    IoBudget::Account memory_{budget_, [this] { has_room_ = true; }};
    std::unique_ptr<NbdConnection> connection_;
    std::unique_ptr<NbdBackend> disk_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
