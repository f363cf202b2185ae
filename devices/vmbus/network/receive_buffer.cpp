#include "devices/vmbus/network/receive_buffer.hpp"

#include "devices/vmbus/network/settings.hpp"

#include <algorithm>

namespace devices::network {

std::shared_ptr<ReceiveBuffer> ReceiveBuffer::make(std::shared_ptr<hv::vmbus::Gpadl const> memory, std::uint16_t id,
                                                   std::size_t max_frame)
{
    constexpr std::size_t enough = 64; // sections; below that smaller ones are better
    auto const needed = (max_frame + header_room + footer_room + 7) / 8 * 8;
    auto const small_enough = memory->size() / enough / 8 * 8;
    auto const size = std::max(needed, std::min<std::size_t>(usual_size, small_enough));
    return make_again(std::move(memory), id, static_cast<std::uint32_t>(size));
}

std::shared_ptr<ReceiveBuffer> ReceiveBuffer::make_again(std::shared_ptr<hv::vmbus::Gpadl const> memory,
                                                         std::uint16_t id, std::uint32_t section_size)
{
    constexpr std::size_t least = 2 * control_reserve;
    constexpr std::size_t smallest = usual_frame + header_room + footer_room;
    if (section_size < smallest || section_size % 8 != 0) return nullptr;
    auto const count = memory->size() / section_size;
    if (count < least) return nullptr;
    return std::shared_ptr<ReceiveBuffer>{new ReceiveBuffer{std::move(memory), id, section_size, count}};
}

ReceiveBuffer::ReceiveBuffer(std::shared_ptr<hv::vmbus::Gpadl const> memory, std::uint16_t id,
                             std::uint32_t section_size, std::size_t count)
    : memory_{std::move(memory)},
      id_{id},
      section_size_{section_size},
      section_count_{static_cast<std::uint32_t>(count)},
      sections_{count}
{}

ReceiveBuffer::Sections::Sections(std::size_t count) : entries_(count)
{
    for (auto section = static_cast<Section>(count); section-- > 0;)
        push(section);
}

Section ReceiveBuffer::Sections::pop()
{
    auto const section = first_free_;
    auto& entry = entries_[section];
    first_free_ = entry.next;
    entry.state = Entry::State::Taken;
    --free_;
    return section;
}

void ReceiveBuffer::Sections::push(Section section)
{
    entries_[section] = {Entry::State::Free, first_free_};
    first_free_ = section;
    ++free_;
}

std::size_t ReceiveBuffer::Sections::take(std::span<Section> out)
{
    auto const left = free_ > control_reserve ? free_ - control_reserve : 0;
    auto const count = std::min(left, out.size());
    for (auto& section : out.first(count))
        section = pop();
    if (count < out.size()) awaited_ = true;
    return count;
}

std::optional<Section> ReceiveBuffer::Sections::take_for_control()
{
    if (free_ == 0) return std::nullopt;
    return pop();
}

void ReceiveBuffer::Sections::give_back(std::span<Section const> sections)
{
    for (auto const section : sections)
        push(section);
}

void ReceiveBuffer::Sections::lend(std::span<Section const> sections)
{
    for (std::size_t i = 0; i < sections.size(); ++i) {
        auto const next = i + 1 < sections.size() ? sections[i + 1] : none;
        entries_[sections[i]] = {i == 0 ? Entry::State::FirstLent : Entry::State::Lent, next};
    }
}

ReceiveBuffer::Completed ReceiveBuffer::Sections::complete(std::uint64_t transaction)
{
    if (transaction >= entries_.size() || entries_[transaction].state != Entry::State::FirstLent)
        return Completed::Unknown;
    for (auto section = static_cast<Section>(transaction); section != none;) {
        auto const next = entries_[section].next;
        push(section);
        section = next;
    }
    auto const some = control_reserve + entries_.size() / 8;
    if (!awaited_ || free_ < some) return Completed::Done;
    awaited_ = false;
    return Completed::RoomAgain;
}

std::vector<std::uint32_t> ReceiveBuffer::Sections::with_guest() const
{
    std::vector<std::uint32_t> all;
    for (Section first = 0; first < entries_.size(); ++first) {
        if (entries_[first].state != Entry::State::FirstLent) continue;
        for (auto section = first; section != none; section = entries_[section].next)
            all.push_back(section);
        all.back() |= ends_packet;
    }
    return all;
}

void ReceiveBuffer::Sections::restore(std::span<Section const> taken, std::span<std::uint32_t const> with_guest,
                                      bool room_awaited)
{
    for (auto const section : taken)
        entries_[section].state = Entry::State::Taken;
    std::vector<Section> packet;
    bool good = true;
    auto const drop = [&] {
        for (auto const section : packet)
            entries_[section].state = Entry::State::Free;
    };
    for (auto const word : with_guest) {
        auto const section = word & ~ends_packet;
        good &= section < entries_.size() && entries_[section].state == Entry::State::Free;
        if (good) {
            entries_[section].state = Entry::State::Lent;
            packet.push_back(section);
        }
        if ((word & ends_packet) == 0) continue;
        if (good)
            lend(packet);
        else
            drop();
        packet.clear();
        good = true;
    }
    drop();
    first_free_ = none;
    free_ = 0;
    for (auto section = static_cast<Section>(entries_.size()); section-- > 0;)
        if (entries_[section].state == Entry::State::Free) push(section);
    awaited_ = room_awaited;
}

void ReceiveBuffer::locate_frame(Section section, std::vector<iovec>& out) const
{
    std::uint64_t at = offset(section) + header_room;
    for (auto left = frame_room(); left > 0;) {
        auto const size = memory_->contiguous(at, left);
        out.push_back({memory_->at(at), size});
        at += size;
        left -= size;
    }
}

} // namespace devices::network
