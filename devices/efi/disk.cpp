#include "devices/efi/disk.hpp"

namespace efi {

namespace {

namespace mailbox = devices::firmware::mailbox;

/// There is one mailbox, and firmware does one thing at a time.
alignas(mailbox::request_alignment) mailbox::Request the_request;

uint32_t read_register(PciIo& pci, uint32_t offset)
{
    auto value = static_cast<uint32_t>(mailbox::State::Failed);
    (void)pci.read_memory(&pci, PciIo::Width::Dword, 0, offset, 1, &value);
    return value;
}

void write_register(PciIo& pci, uint32_t offset, uint64_t value)
{
    auto dword = static_cast<uint32_t>(value);
    (void)pci.write_memory(&pci, PciIo::Width::Dword, 0, offset, 1, &dword);
}

mailbox::State carry_out(PciIo& pci, mailbox::Request const& request)
{
    the_request = request;
    auto const address = reinterpret_cast<uint64_t>(&the_request);
    write_register(pci, mailbox::address_low, address);
    write_register(pci, mailbox::address_high, address >> 32);
    asm volatile("" : : "r"(&the_request) : "memory"); // it is read from there
    write_register(pci, mailbox::start, 1);
    for (;;) {
        auto const state = static_cast<mailbox::State>(read_register(pci, mailbox::state));
        asm volatile("pause" : : : "memory");
        if (state != mailbox::State::Busy) return state;
    }
}

Status status_of(mailbox::State state)
{
    switch (state) {
    case mailbox::State::Done: return success;
    case mailbox::State::WriteProtected: return write_protected;
    case mailbox::State::BadRequest: return invalid_parameter;
    default: return device_error;
    }
}

Disk& disk_of(BlockIo* self)
{
    return *reinterpret_cast<Disk*>(self);
}

/// In parts that the mailbox takes.
Status transfer(Disk& disk, mailbox::Operation operation, uint64_t block, size_t size, void* buffer)
{
    auto const at_once = mailbox::most_bytes / disk.media.block_size;
    auto left = size / disk.media.block_size;
    auto address = reinterpret_cast<uint64_t>(buffer);
    while (left != 0) {
        auto const count = static_cast<uint32_t>(left < at_once ? left : at_once);
        auto const state = carry_out(*disk.mailbox, {operation, disk.unit, block, address, count, 0});
        if (state != mailbox::State::Done) return status_of(state);
        block += count;
        address += uint64_t{count} * disk.media.block_size;
        left -= count;
    }
    return success;
}

/// What the specification wants to be said of wrong parameters, in its order.
Status check(Disk const& disk, uint32_t media, uint64_t block, size_t size, void const* buffer)
{
    auto const& there = disk.media;
    if (media != there.id) return media_changed;
    if (size == 0) return success;
    if (buffer == nullptr) return invalid_parameter;
    if (size % there.block_size != 0) return bad_buffer_size;
    auto const count = size / there.block_size;
    if (block > there.last_block || count - 1 > there.last_block - block) return invalid_parameter;
    if (reinterpret_cast<uint64_t>(buffer) % there.io_align != 0) return invalid_parameter;
    return success;
}

Status reset(BlockIo*, bool)
{
    return success;
}

Status read_blocks(BlockIo* self, uint32_t media, uint64_t block, size_t size, void* buffer)
{
    auto& disk = disk_of(self);
    auto const status = check(disk, media, block, size, buffer);
    return failed(status) ? status : transfer(disk, mailbox::Operation::Read, block, size, buffer);
}

Status write_blocks(BlockIo* self, uint32_t media, uint64_t block, size_t size, void* buffer)
{
    auto& disk = disk_of(self);
    auto const status = check(disk, media, block, size, buffer);
    if (failed(status)) return status;
    if (disk.media.read_only) return write_protected;
    return transfer(disk, mailbox::Operation::Write, block, size, buffer);
}

Status flush_blocks(BlockIo* self)
{
    auto& disk = disk_of(self);
    return status_of(carry_out(*disk.mailbox, {mailbox::Operation::Flush, disk.unit, 0, 0, 0, 0}));
}

} // namespace

bool identify(Disk& disk, PciIo& pci, uint32_t unit)
{
    alignas(8) mailbox::Unit found;
    auto const buffer = reinterpret_cast<uint64_t>(&found);
    auto const state = carry_out(pci, {mailbox::Operation::Identify, unit, 0, buffer, 0, 0});
    if (state != mailbox::State::Done || found.blocks == 0 || found.block_size == 0) return false;

    disk.media = {.id = 1,
                  .removable = found.disc != 0,
                  .present = true,
                  .logical_partition = false,
                  .read_only = found.read_only != 0,
                  .write_caching = true,
                  .block_size = found.block_size,
                  .io_align = 8,
                  .last_block = found.blocks - 1};
    disk.block_io = {BlockIo::first_revision, &disk.media, reset, read_blocks, write_blocks, flush_blocks};
    disk.path = {};
    __builtin_memcpy(&disk.path.channel.instance, found.instance, sizeof found.instance);
    disk.path.scsi.lun = static_cast<uint16_t>(found.lun);
    disk.mailbox = &pci;
    disk.unit = unit;
    disk.bootable = {.kind = found.disc != 0 ? Bootable::Kind::Disc : Bootable::Kind::Disk,
                     .unit = unit,
                     .place = found.place,
                     .path = &disk.path,
                     .path_size = sizeof disk.path,
                     .own_size = sizeof disk.path - sizeof disk.path.end,
                     .blocks = &disk.block_io,
                     .next = nullptr};
    return true;
}

} // namespace efi
