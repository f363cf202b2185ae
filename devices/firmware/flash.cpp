#include "devices/firmware/flash.hpp"

#include <algorithm>
#include <cstring>

namespace devices::firmware {

namespace {

// Commands.
constexpr std::uint8_t program_byte = 0x10;
constexpr std::uint8_t program_byte_too = 0x40;
constexpr std::uint8_t erase_block = 0x20;
constexpr std::uint8_t clear_status = 0x50;
constexpr std::uint8_t read_status = 0x70;
constexpr std::uint8_t confirm = 0xD0;

// Status. None is set at first, nor after it was cleared: by that a firmware tells a chip from RAM.
constexpr std::uint8_t ready = 0x80;
constexpr std::uint8_t wrong_sequence = 0x30;

constexpr std::byte ones{0xFF};

} // namespace

Flash::Flash(FlashContent& content, FlashWindow& window) : chip_{content, window} {}

Flash::~Flash()
{
    chip_.lock()->settle();
}

std::uint64_t Flash::read(std::uint64_t offset, unsigned size)
{
    return chip_.lock()->read(offset, size);
}

void Flash::write(std::uint64_t offset, unsigned size, std::uint64_t value)
{
    chip_.lock()->write(offset, size, value);
}

void Flash::visit(hv::StateVisitor& visitor)
{
    chip_.lock()->visit(visitor);
}

std::uint64_t Flash::Chip::read(std::uint64_t offset, unsigned size) const
{
    std::uint64_t value = 0;
    if (state_.mode == Mode::Array) {
        std::memcpy(&value, content_.bytes().data() + offset, size);
    } else {
        std::memset(&value, state_.status, size);
    }
    return value;
}

void Flash::Chip::write(std::uint64_t offset, unsigned size, std::uint64_t value)
{
    switch (state_.mode) {
    case Mode::Program: program(offset, size, value); return enter(Mode::Status);
    case Mode::Erase:
        if (static_cast<std::uint8_t>(value) == confirm) {
            erase(offset);
        } else {
            state_.status |= ready | wrong_sequence;
        }
        return enter(Mode::Status);
    case Mode::Array:
    case Mode::Status: return command(offset, static_cast<std::uint8_t>(value));
    }
}

/// An unknown one shows the bytes again.
void Flash::Chip::command(std::uint64_t, std::uint8_t value)
{
    switch (value) {
    case program_byte:
    case program_byte_too: return enter(Mode::Program);
    case erase_block: return enter(Mode::Erase);
    case read_status: return enter(Mode::Status);
    case clear_status: state_.status = 0; [[fallthrough]];
    default: return enter(Mode::Array);
    }
}

void Flash::Chip::program(std::uint64_t offset, unsigned size, std::uint64_t value)
{
    bool const goes_on = changed_size_ != 0 && offset == changed_ + changed_size_ && offset % flash_block != 0;
    if (!goes_on) {
        settle();
        changed_ = offset;
    }
    auto* const target = content_.bytes().data() + offset;
    if (std::memcmp(target, &value, size) != 0) std::memcpy(target, &value, size); // what is the same may be shared
    changed_size_ += size; // an access is aligned, and so lies in one block
    state_.status |= ready;
}

void Flash::Chip::erase(std::uint64_t offset)
{
    settle();
    auto const block = offset / flash_block * flash_block;
    auto const erased = content_.bytes().subspan(block, flash_block);
    if (std::ranges::any_of(erased, [](auto byte) { return byte != ones; })) std::ranges::fill(erased, ones);
    content_.keep(block, flash_block);
    state_.status |= ready;
}

void Flash::Chip::settle()
{
    if (changed_size_ != 0) content_.keep(changed_, changed_size_);
    changed_size_ = 0;
}

void Flash::Chip::enter(Mode mode)
{
    state_.mode = mode;
    bool const shows = mode == Mode::Array;
    if (shows) settle();
    if (shows == open_) return;
    window_.open(shows);
    open_ = shows;
}

void Flash::Chip::visit(hv::StateVisitor& visitor)
{
    settle();
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    enter(state_.mode > Mode::Erase ? Mode::Array : state_.mode);
}

} // namespace devices::firmware
