// The guest's messages, and what is asked of it.
#include "devices/vmbus/balloon/balloon.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

namespace devices::vmbus {

namespace {

using namespace dynamic_memory;

constexpr std::uint64_t huge_page = 512;      ///< of what Linux gives away, when it can
constexpr std::uint64_t most_asked = 8'192;   ///< at a time, 32 MiB: so much work is one packet at most
constexpr std::uint64_t refused_reports = 10; ///< for so many seconds a guest is not asked again
constexpr std::size_t most_ranges = 500;      ///< in a request: Linux reads a page at most

bool write(hv::vmbus::Channel& channel, std::span<std::byte const> message)
{
    return channel.outgoing().write(hv::abi::PacketType::DataInband, 0, 0, message);
}

template <typename Message>
bool write(hv::vmbus::Channel& channel, Message const& message)
{
    return write(channel, std::as_bytes(std::span{&message, 1}));
}

std::uint64_t word_of(PageRange range)
{
    return range.first | range.count << range_count_shift;
}

PageRange range_of(std::uint64_t word)
{
    return {word & ((std::uint64_t{1} << range_count_shift) - 1), word >> range_count_shift};
}

bool lies_in(PageRange range, PageRange in)
{
    return range.first >= in.first && range.count <= in.count && range.first - in.first <= in.count - range.count;
}

} // namespace

/// A driver that comes anew knows nothing of the pages that another has given away.
void Balloon::Line::begin(std::shared_ptr<hv::vmbus::Channel> opened)
{
    channel = std::move(opened);
    State fresh;
    fresh.step = Step::Negotiating;
    fresh.wanted = state.wanted;
    fresh.added = state.added;
    fresh.backed = state.backed;
    state = std::move(fresh);
}

void Balloon::Line::end()
{
    channel.reset();
    state.step = Step::Closed;
    state.request = Request::None;
    state.has_reported = false;
}

std::uint64_t Balloon::Line::pages() const
{
    return layout_.pages_at_start() + state.added - state.given.size();
}

std::uint64_t Balloon::Line::backing_for(std::uint64_t pages) const
{
    auto const at_start = layout_.pages_at_start();
    pages = std::min(pages, layout_.most);
    return pages <= at_start ? 0 : (pages - at_start + hot_add_block - 1) / hot_add_block * hot_add_block;
}

/// Nor to a guest that wants it to begin where ours does not.
bool Balloon::Line::can_add() const
{
    auto const alignment = state.capabilities >> capability::alignment_shift & capability::alignment_mask;
    constexpr std::uint64_t mib = 256; // pages
    return (state.capabilities & capability::hot_add) != 0 && !state.takes_no_more &&
           hot_add_block % (mib << alignment) == 0;
}

std::vector<PageRange> Balloon::Line::present() const
{
    auto ranges = layout_.at_start;
    if (state.added != 0) ranges.push_back({layout_.hot_add.first, state.added});
    return ranges;
}

bool Balloon::Line::is_the_guests(PageRange range) const
{
    return range.count != 0 &&
           std::ranges::any_of(present(), [&](PageRange const& in) { return lies_in(range, in); }) &&
           !state.given.has_any_of(range);
}

void Balloon::Line::take(Packet const& packet)
{
    Header header{};
    bool const readable = packet.type() == hv::abi::PacketType::DataInband && packet.read(header);
    if (!readable || header.size > packet.payload.size() || !understood(header.type, packet)) ++state.ignored_packets;
    if (packet.wants_completion()) static_cast<void>(channel->outgoing().complete(packet.transaction(), {}));
}

bool Balloon::Line::understood(MessageType type, Packet const& packet)
{
    switch (type) {
    case MessageType::VersionRequest: return version_requested(packet);
    case MessageType::CapabilitiesReport: return capabilities_reported(packet);
    case MessageType::StatusReport: return status_reported(packet);
    case MessageType::BalloonResponse: return pages_given(packet);
    case MessageType::UnballoonResponse: return pages_taken_back(packet);
    case MessageType::HotAddResponse: return memory_added(packet);
    default: return false;
    }
}

/// A guest that gets no room for an answer gives up.
bool Balloon::Line::version_requested(Packet const& packet)
{
    VersionRequest request{};
    if (!packet.read(request) || state.step != Step::Negotiating) return false;
    constexpr std::array known{versions::version_0_3, versions::version_1_0, versions::version_2_0};
    bool const accepted = std::ranges::find(known, request.version) != known.end();
    Acceptance const answer{{MessageType::VersionResponse, sizeof answer, request.header.transaction}, accepted};
    if (!write(*channel, answer) || !accepted) return true;
    state.step = Step::VersionAgreed;
    state.version = request.version;
    return true;
}

bool Balloon::Line::capabilities_reported(Packet const& packet)
{
    CapabilitiesReport report{};
    if (!packet.read(report) || state.step != Step::VersionAgreed) return false;
    Acceptance const answer{{MessageType::CapabilitiesResponse, sizeof answer, report.header.transaction}, 1};
    if (!write(*channel, answer)) return true;
    state.step = Step::Ready;
    state.capabilities = report.capabilities;
    if (state.version < versions::version_1_0) return true;
    Info info{next_header(MessageType::Info, sizeof info), 0, 16, 0, sizeof info.value, layout_.most};
    static_cast<void>(write(*channel, info)); // for people who read the guest's log
    return true;
}

bool Balloon::Line::status_reported(Packet const& packet)
{
    StatusReport report{};
    if (!packet.read(report) || state.step != Step::Ready) return false;
    state.has_reported = true;
    state.available = report.available;
    state.committed = report.committed;
    if (state.patience > 0) --state.patience;
    return true;
}

/// More than was asked for is not taken.
bool Balloon::Line::pages_given(Packet const& packet)
{
    BalloonResponse response{};
    if (!packet.read(response) || state.request != Request::Balloon) return false;
    std::size_t const count = response.more_and_ranges >> 1;
    if (count > (packet.payload.size() - sizeof response) / sizeof(std::uint64_t)) return false;

    std::vector<PageRange> ranges;
    auto left = state.left;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t word = 0;
        (void)packet.read(word, sizeof response + i * sizeof word);
        auto const range = range_of(word);
        if (range.count > left || !is_the_guests(range)) {
            ++state.refused_ranges;
            continue;
        }
        left -= range.count;
        ranges.push_back(range);
    }
    take_pages(std::move(ranges));
    if ((response.more_and_ranges & 1) != 0) return true;
    if (state.left != 0) state.patience = refused_reports; // it gives no more
    state.request = Request::None;
    state.left = 0;
    return true;
}

/// A page that comes twice in a response is taken once.
void Balloon::Line::take_pages(std::vector<PageRange> ranges)
{
    auto const offered = ranges.size();
    taker_.take(ranges);
    state.refused_ranges += offered - ranges.size();
    auto const before = state.given.size();
    for (auto const& range : ranges)
        state.given.add(range);
    state.left -= state.given.size() - before;
}

bool Balloon::Line::pages_taken_back(Packet const&)
{
    if (state.request != Request::Unballoon) return false;
    state.request = Request::None;
    state.left = 0;
    return true;
}

bool Balloon::Line::memory_added(Packet const& packet)
{
    HotAddResponse response{};
    if (!packet.read(response) || state.request != Request::HotAdd) return false;
    auto const taken = std::min<std::uint64_t>(response.pages, state.left);
    state.added += taken;
    bool const later = taken == 0 && response.result == 0;
    state.takes_no_more = taken < state.left && !later;
    if (later) state.patience = refused_reports;
    state.request = Request::None;
    state.left = 0;
    return true;
}

Header Balloon::Line::next_header(MessageType type, std::size_t size) const
{
    return {type, static_cast<std::uint16_t>(size), state.transaction + 1};
}

/// In a full ring the guest signals when there is room.
bool Balloon::Line::asked(Request request, std::uint64_t pages, bool written)
{
    if (!written) return false;
    state.request = request;
    state.left = pages;
    ++state.transaction;
    return true;
}

bool Balloon::Line::ask()
{
    if (!channel || quiesced || state.step != Step::Ready) return false;
    if (state.request != Request::None || state.patience > 0) return false;
    auto const now = pages();
    if (now > state.wanted) return ask_for_pages(now - state.wanted);
    if (now == state.wanted) return false;
    return state.given.size() > 0 ? give_back(state.wanted - now) : add_memory();
}

bool Balloon::Line::ask_for_pages(std::uint64_t too_many)
{
    auto const count = std::min(too_many, most_asked) / huge_page * huge_page;
    if (count == 0 || (state.capabilities & capability::balloon) == 0) return false;
    BalloonRequest const request{next_header(MessageType::BalloonRequest, sizeof request),
                                 static_cast<std::uint32_t>(count), 0};
    return asked(Request::Balloon, count, write(*channel, request));
}

/// They are the guest's as soon as it can know.
bool Balloon::Line::give_back(std::uint64_t missing)
{
    struct {
        UnballoonRequest request{};
        std::array<std::uint64_t, most_ranges> words{};
    } message;
    std::vector<PageRange> ranges;
    std::uint64_t count = 0;
    auto left = std::min(missing, most_asked);
    while (left > 0 && ranges.size() < most_ranges && state.given.size() > 0) {
        auto const run = state.given.first_run(left);
        state.given.remove(run);
        message.words.at(ranges.size()) = word_of(run);
        ranges.push_back(run);
        left -= run.count;
        count += run.count;
    }
    auto const size = sizeof message.request + ranges.size() * sizeof(std::uint64_t);
    message.request = {next_header(MessageType::UnballoonRequest, size), 0,
                       static_cast<std::uint32_t>(ranges.size())};
    if (asked(Request::Unballoon, count, write(*channel, std::as_bytes(std::span{&message, 1}).first(size))))
        return true;
    for (auto const& range : ranges)
        state.given.add(range);
    return false;
}

bool Balloon::Line::add_memory()
{
    if (!can_add() || state.added + hot_add_block > std::min(state.backed, layout_.hot_add.count)) return false;
    PageRange const block{layout_.hot_add.first + state.added, hot_add_block};
    HotAddRequest const request{next_header(MessageType::HotAddRequest, sizeof request), word_of(block)};
    return asked(Request::HotAdd, block.count, write(*channel, request));
}

/// What was saved is not trusted: pages that the guest cannot have given away are not given.
void Balloon::Line::make_sense_of_restored()
{
    state.wanted = std::min(state.wanted, layout_.most);
    state.backed = std::min(state.backed, layout_.hot_add.count);
    state.added = std::min(state.added, state.backed);
    state.left = std::min(state.left, hot_add_block);
    auto at = std::uint64_t{0};
    bool lies = false;
    for (auto const& range : present()) {
        lies = lies || state.given.has_any_of({at, range.first - at});
        at = range.first + range.count;
    }
    if (lies || state.given.has_any_of({at, PageSet::most_pages - at})) state.given.clear();
    if (state.step > Step::Ready) state.step = Step::Negotiating;
    if (state.request > Request::HotAdd) state.request = Request::None;
    if (!channel) end();
}

} // namespace devices::vmbus
