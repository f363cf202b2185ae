#include "devices/vnc/vnc_session.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/select.h>
#include <sys/socket.h>
#include <utility>

namespace devices::vnc {

namespace {

using Clock = std::chrono::steady_clock;

/// For a viewer to say who it is, and then for the rest of a message that it has begun, or to take what it is sent:
/// it keeps the others waiting.
constexpr std::chrono::seconds for_greetings{10};
constexpr int for_messages_ms = 2000;

/// When the client came; the library gives one pointer to keep with a client.
void remember_time(rfbClientPtr client)
{
    static_assert(sizeof(Clock::rep) <= sizeof(void*));
    client->clientData = reinterpret_cast<void*>(Clock::now().time_since_epoch().count());
}

Clock::time_point came_at(rfbClientRec const& client)
{
    return Clock::time_point{Clock::duration{reinterpret_cast<Clock::rep>(client.clientData)}};
}

bool is_viewer(rfbClientRec const& client)
{
    return client.sock != RFB_INVALID_SOCKET && client.state == rfbClientRec::RFB_NORMAL;
}

template <typename Call>
void for_each_client(rfbScreenInfoPtr server, Call const& call)
{
    for (auto* client = server->clientHead; client;) {
        auto* const next = client->next;
        call(*client);
        client = next;
    }
}

/// Freed by the library.
template <typename Type>
Type* allocate(std::size_t count)
{
    auto* const memory =
        std::calloc(std::max<std::size_t>(count, 1), sizeof(Type)); // NOLINT(cppcoreguidelines-no-malloc)
    if (!memory) throw std::bad_alloc{};
    return static_cast<Type*>(memory);
}

/// As the pictures are: blue in the lowest byte.
void set_format(rfbScreenInfoPtr server)
{
    server->serverFormat.redShift = 16;
    server->serverFormat.greenShift = 8;
    server->serverFormat.blueShift = 0;
    server->serverFormat.depth = 24;
}

} // namespace

VncServer::Session::Session(Config config, std::shared_ptr<display::Screen> screen, ViewerInput& input)
    : library_{vnc_library()},
      config_{std::move(config)},
      screen_{std::move(screen)},
      input_{input},
      server_{library_.rfbGetScreen_(nullptr, nullptr, static_cast<int>(mode_.width), static_cast<int>(mode_.height),
                                     8, 3, 4)}
{
    if (!server_) throw std::bad_alloc{};
    server_->screenData = this;
    server_->desktopName = config_.title.c_str();
    server_->port = server_->ipv6port = 0; // it gets its clients from us
    server_->ignoreSIGPIPE = FALSE;        // no signal lands on the thread
    server_->alwaysShared = TRUE;
    server_->deferUpdateTime = server_->deferPtrUpdateTime = 0;
    server_->maxClientWait = for_messages_ms;
    server_->kbdAddEvent = &Session::on_key;
    server_->ptrAddEvent = &Session::on_pointer;
    if (!config_.password.empty()) {
        passwords_[0] = config_.password.data();
        server_->authPasswdData = passwords_;
        server_->passwordCheck = library_.rfbCheckPasswordByList_;
    }
    set_format(server_);
    library_.rfbInitServer_(server_);
    show(display::Pointer{});
}

VncServer::Session::~Session()
{
    if (watching_) screen_->watch({});
    library_.rfbScreenCleanup_(server_);
}

unsigned VncServer::Session::viewers() const
{
    unsigned count = 0;
    for_each_client(server_, [&](rfbClientRec const& client) { count += is_viewer(client) ? 1 : 0; });
    return count;
}

void VncServer::Session::add_wanted(std::vector<pollfd>& wanted) const
{
    std::size_t clients = 0;
    for_each_client(server_, [&](rfbClientRec const& client) {
        wanted.push_back({client.sock, POLLIN, 0});
        ++clients;
    });
    bool const room = clients < most_clients;
    wanted.push_back({room ? config_.listener.get() : -1, POLLIN, 0});
}

int VncServer::Session::patience() const
{
    int wait = -1;
    for_each_client(server_, [&](rfbClientRec const& client) {
        if (!is_viewer(client)) wait = 1000;
    });
    return wait;
}

void VncServer::Session::serve(std::span<pollfd const> waiting, std::function<void()> const& changed)
{
    for (auto const& one : waiting)
        if (one.fd == config_.listener.get() && one.revents != 0) accept_one();
    if (watching_) show_changes();
    library_.rfbProcessEvents_(server_, 0);
    drop_strangers();
    if ((viewers() != 0) != watching_) watch(changed);
}

void VncServer::Session::accept_one()
{
    UniqueFd client{::accept4(config_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    // The library has its clients in a set of that size.
    if (!client || client.get() >= FD_SETSIZE) return;
    if (!watching_) show(screen_->mode()); // what a viewer is told first
    if (auto* const made = library_.rfbNewClient_(server_, client.release())) remember_time(made);
}

/// Who does not get as far as a viewer may not keep others out.
void VncServer::Session::drop_strangers()
{
    auto const now = Clock::now();
    for_each_client(server_, [&](rfbClientRec& client) {
        if (client.sock == RFB_INVALID_SOCKET || is_viewer(client) || now - came_at(client) < for_greetings) return;
        library_.rfbCloseClient_(&client);
    });
}

void VncServer::Session::watch(std::function<void()> const& changed)
{
    watching_ = !watching_;
    screen_->watch(watching_ ? changed : std::function<void()>{});
    if (!watching_) return input_.nobody();
    show_changes();
    library_.rfbProcessEvents_(server_, 0);
}

void VncServer::Session::show_changes()
{
    auto const changes = screen_->take();
    if (changes.mode) show(*changes.mode);
    for (auto const& area : changes.drawn) {
        screen_->copy(mode_, area, &picture_[std::size_t{area.top} * mode_.width + area.left], mode_.width);
        library_.rfbMarkRectAsModified_(server_, static_cast<int>(area.left), static_cast<int>(area.top),
                                        static_cast<int>(area.right), static_cast<int>(area.bottom));
    }
    if (changes.pointer) show(*changes.pointer);
}

void VncServer::Session::show(display::Mode const& mode)
{
    bool const same_size = mode.width == mode_.width && mode.height == mode_.height && !picture_.empty();
    mode_ = mode;
    if (same_size) return;
    std::vector<std::uint32_t> next(std::size_t{mode.width} * mode.height);
    library_.rfbNewFramebuffer_(server_, reinterpret_cast<char*>(next.data()), static_cast<int>(mode.width),
                                static_cast<int>(mode.height), 8, 3, 4);
    picture_.swap(next);
    set_format(server_);
    for_each_client(server_, [&](rfbClientRec& client) { server_->setTranslateFunction(&client); });
}

/// One of no size becomes one that cannot be seen.
void VncServer::Session::show(display::Pointer const& pointer)
{
    auto const width = std::max(pointer.width, 1U);
    auto const height = std::max(pointer.height, 1U);
    auto const row = (width + 7) / 8;
    auto* const cursor = allocate<rfbCursor>(1);
    cursor->cleanup = cursor->cleanupSource = cursor->cleanupMask = cursor->cleanupRichSource = TRUE;
    cursor->width = static_cast<unsigned short>(width);
    cursor->height = static_cast<unsigned short>(height);
    cursor->xhot = static_cast<unsigned short>(std::min(pointer.hot_x, width - 1));
    cursor->yhot = static_cast<unsigned short>(std::min(pointer.hot_y, height - 1));
    cursor->mask = allocate<unsigned char>(std::size_t{row} * height);
    cursor->richSource = allocate<unsigned char>(std::size_t{4} * width * height);
    for (std::size_t i = 0; i < pointer.pixels.size(); ++i) {
        auto const pixel = pointer.pixels[i];
        if (pixel >> 24 >= 0x80)
            cursor->mask[i / width * row + i % width / 8] |= static_cast<unsigned char>(0x80U >> i % width % 8);
        std::memcpy(cursor->richSource + 4 * i, &pixel, sizeof pixel);
    }
    library_.rfbSetCursor_(server_, cursor);
}

void VncServer::Session::on_key(rfbBool down, rfbKeySym symbol, rfbClientPtr client)
{
    static_cast<Session*>(client->screen->screenData)->input_.key(symbol, down != 0);
}

void VncServer::Session::on_pointer(int buttons, int x, int y, rfbClientPtr client)
{
    auto const& self = *static_cast<Session*>(client->screen->screenData);
    auto const within = [](int value, std::uint32_t size) {
        return static_cast<std::uint32_t>(std::clamp(value, 0, static_cast<int>(size) - 1));
    };
    self.input_.pointer(within(x, self.mode_.width), within(y, self.mode_.height), static_cast<unsigned>(buttons),
                        self.mode_);
}

} // namespace devices::vnc
