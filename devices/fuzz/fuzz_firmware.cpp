/// What a guest that starts by firmware reaches beside other devices: the flash chip with its variables, the mailbox
/// of the boot disks, which are one that answers at once, one that answers later, and a disc, the console's mailbox,
/// and that of a network card.
///
/// The input is a list of steps. The first byte says what (modulo 8), numbers called "value" are Input::value's:
///   0  flash: an offset (value), size (modulo 4: 1, 2, 4 or 8 bytes), a value to write; bit 7 of the first byte: it
///   is
///      read
///   1  flash: a run of bytes is programmed: an offset (value), their number, a value, and they
///   2  flash: a block is erased: its number
///   3  mailbox: an offset (1 byte), size as above, a value to write; bit 7 of the first byte: it is read,
///      bit 6: the console's, bit 5: the network card's
///   4  a request is written to memory and started: operation, unit (1 byte each), block, buffer, count (values)
///   5  a write to memory: an offset (value), a value's bytes; bit 7 of the first byte: a frame comes for the guest
///      instead, of so many bytes (value), to a card (modulo 3: this one, all, another), bit 6: so many (1 byte,
///      modulo 128), bit 5: and the guest's own driver takes the network first
///   6  the disk that answers later does: with what (modulo 3: done, failed, unreachable); bit 6 of
///      the first byte: a key is struck instead, of this code (value), and the screen is looked at
///   7  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
#include "devices/block/testing/recording_backend.hpp"
#include "devices/firmware/block_mailbox.hpp"
#include "devices/firmware/console_mailbox.hpp"
#include "devices/firmware/flash.hpp"
#include "devices/firmware/network_mailbox.hpp"
#include "devices/fuzz/state.hpp"
#include "devices/net/lent_backend.hpp"
#include "devices/net/testing/recorders.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

using namespace devices;
using namespace devices::firmware;
using block::testing::RecordingBackend;
using hv::fuzz::Input;
using hv::fuzz::require;
using hv::testing::TestGuest;

namespace {

constexpr std::size_t flash_size = 132 * flash_block; ///< as OVMF's
constexpr std::uint64_t disk_size = 1 << 20;
constexpr std::uint64_t request_at = 0x1000;
constexpr std::uint64_t ram_size = TestGuest::pages * hv::page_size;

struct Content final : FlashContent {
    mutable std::vector<std::byte> there = std::vector<std::byte>(flash_size, std::byte{0xFF});
    std::vector<std::byte> kept = there;

    [[nodiscard]] std::span<std::byte> bytes() const override { return there; }
    void keep(std::size_t offset, std::size_t size) noexcept override
    {
        require(size != 0 && offset < flash_size && size <= flash_size - offset, "what is kept lies in the chip");
        require(offset / flash_block == (offset + size - 1) / flash_block, "what is kept lies in one block");
        std::copy_n(there.begin() + static_cast<std::ptrdiff_t>(offset), size,
                    kept.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    /// After each step: vectors of std::byte are compared byte by byte.
    [[nodiscard]] bool is_kept() const { return std::memcmp(kept.data(), there.data(), flash_size) == 0; }
};

struct Window final : FlashWindow {
    bool is_open = true;

    void open(bool yes) override
    {
        require(yes != is_open, "the window is told of changes only");
        is_open = yes;
    }
};

/// Larger than any mode that fuzzing should take time for; what it holds does not matter.
std::span<std::byte> video_memory()
{
    static std::vector<std::byte> bytes(display::Mode{}.height * display::Mode{}.pitch);
    return bytes;
}

class World {
  public:
    World()
    {
        changing_.watch({guest_.ram.get(), ram_size});
        add(scsi::DeviceType::Disk, {.size = disk_size});
        add(scsi::DeviceType::Disk, {.size = disk_size});
        add(scsi::DeviceType::Disc, {.size = disk_size, .read_only = true});
        backends_[1]->later = true;
        std::vector<BootUnit> units;
        for (std::uint8_t lun = 0; lun < disks_.size(); ++lun)
            units.push_back({{}, lun, disks_[lun]});
        mailbox_ = std::make_unique<BlockMailbox>(guest_.memory, nullptr, std::move(units));
        lent_.start(card_);
    }

    void step(Input& input)
    {
        auto const what = input.byte();
        bool const reads = (what & 0x80) != 0;
        switch (what % 8) {
        case 0: reach(flash_, flash_size, input.value(), input, reads); break;
        case 1: program(input); break;
        case 2: erase(input.byte()); break;
        case 3:
            if ((what & 0x40) != 0)
                reach(console_, console::size, input.byte(), input, reads);
            else if ((what & 0x20) != 0)
                reach(network_, network::size, input.byte(), input, reads);
            else
                reach(*mailbox_, mailbox::size, input.byte(), input, reads);
            break;
        case 4: request(input); break;
        case 5:
            if (reads)
                bring_frames(input, (what & 0x40) != 0, (what & 0x20) != 0);
            else
                write_memory(input);
            break;
        case 6:
            if ((what & 0x60) == 0x60)
                point(input);
            else if ((what & 0x40) != 0)
                strike(input);
            else
                (void)backends_[1]->answer_next(result(input));
            break;
        case 7: changing_.change_after(input); break;
        }
        if (window_.is_open) require(content_.is_kept(), "what the guest sees is kept");
        check_records();
    }

    void end()
    {
        changing_.change_after(0, 0, 0);
        while (backends_[1]->answer_next()) {
        }
        devices::testing::check_state_stays(flash_);
        devices::testing::check_state_stays(*mailbox_);
        devices::testing::check_state_stays(console_);
        devices::testing::check_state_stays(network_);
        require(mailbox_->read(mailbox::units, 4) == disks_.size(), "there are as many units as before");
    }

  private:
    void add(scsi::DeviceType type, block::Properties const& properties)
    {
        auto backend = std::make_unique<RecordingBackend>(properties);
        backends_.push_back(backend.get());
        disks_.push_back(std::make_shared<storage::Disk>(type, std::move(backend), "serial"));
    }

    static void reach(MmioDevice& device, std::uint64_t range, std::uint64_t offset, Input& input, bool reads)
    {
        auto const size = 1U << input.below(4);
        auto const at = offset % range & ~std::uint64_t{size - 1};
        auto const value = input.value();
        reads ? (void)device.read(at, size) : device.write(at, size, value);
    }

    void program(Input& input)
    {
        auto at = input.value();
        for (auto const byte : input.counted_bytes()) {
            flash_.write(at % flash_size, 1, 0x10);
            flash_.write(at++ % flash_size, 1, byte);
        }
    }

    void erase(std::uint64_t block)
    {
        auto const at = block * flash_block % flash_size;
        flash_.write(at, 1, 0x20);
        flash_.write(at, 1, 0xD0);
        flash_.write(at, 1, 0xFF);
    }

    void request(Input& input)
    {
        mailbox::Request asked{};
        asked.operation = static_cast<mailbox::Operation>(input.byte());
        asked.unit = input.byte();
        asked.block = input.value();
        asked.buffer = input.value();
        asked.count = static_cast<std::uint32_t>(input.value());
        std::memcpy(guest_.ram.get() + request_at, &asked, sizeof asked);
        mailbox_->write(mailbox::address_low, 4, request_at);
        mailbox_->write(mailbox::address_high, 4, 0);
        mailbox_->write(mailbox::start, 4, 1);
    }

    void write_memory(Input& input)
    {
        auto const offset = input.value() % (ram_size - 8);
        auto const value = input.value();
        std::memcpy(guest_.ram.get() + offset, &value, sizeof value);
    }

    void bring_frames(Input& input, bool many, bool take)
    {
        constexpr std::array<std::array<std::uint8_t, 6>, 3> to{
            own_address.bytes, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, {2, 2, 2, 2, 2, 2}};
        net::testing::RecordedFrame frame{.bytes = std::vector<std::byte>(input.value() % 2048)};
        auto const& address = to[input.below(to.size())];
        std::copy_n(std::as_bytes(std::span{address}).begin(), std::min(address.size(), frame.bytes.size()),
                    frame.bytes.begin());
        auto const count = many ? input.byte() % 128 : 1;
        if (take) lent_.listen({});
        for (int n = 0; n < count && !frame.bytes.empty(); ++n)
            require(backend_->deliver(frame), "there is room, or frames are lost");
        auto const port = lent_.firmware();
        require(port->waiting() <= net::FirmwarePort::most_waiting, "few frames wait");
        require(!port->is_taken() || port->waiting() == 0, "what the firmware has not any more does not wait");
    }

    void point(Input& input)
    {
        auto const buttons = input.byte();
        auto const place = input.value();
        (void)console_.point({.buttons = buttons,
                              .x = static_cast<std::uint16_t>(place),
                              .y = static_cast<std::uint16_t>(place >> 16),
                              .wheel = 0});
    }

    void strike(Input& input)
    {
        (void)console_.strike(static_cast<vmbus::ScanCode>(input.value()), ConsoleMailbox::Stroke::Press);
        require(screen_->mode().fits(video_memory().size()), "the picture lies in the video memory");
        constexpr unsigned most_looks = 16; // each compares megabytes
        if (looks_++ >= most_looks) return;
        if (!screen_->changes_wanted()) screen_->watch([] {});
        executor_->advance(display::Scanner::interval);
        (void)screen_->take();
    }

    static block::Result result(Input& input)
    {
        constexpr std::array results{block::Result::Done, block::Result::Failed, block::Result::Unreachable};
        return results[input.below(results.size())];
    }

    void check_records()
    {
        for (auto const& sent : backend_->sent)
            require(sent.bytes.size() >= network::shortest_frame && sent.bytes.size() <= network::longest_frame &&
                        sent.offload == net::Offload{},
                    "what is sent is a frame");
        require(backend_->sent.size() <= 1, "a step sends one frame at most");
        backend_->sent.clear();
        require(backends_[1]->waiting() <= 1, "there is one request at a time");
        for (std::size_t n = 0; n < backends_.size(); ++n) {
            for (auto const& record : backends_[n]->records) {
                require(record.offset <= disk_size && record.length <= disk_size - record.offset,
                        "a request lies within its disk");
                require(n != 2 || record.operation == block::Operation::Read, "a disc is only read");
            }
            backends_[n]->records.clear();
        }
    }

    hv::fuzz::ChangingMemory changing_;
    hv::PartitionRegistry registry_;
    TestGuest guest_{registry_};
    Content content_;
    Window window_;
    Flash flash_{content_, window_};
    std::vector<RecordingBackend*> backends_;
    std::vector<std::shared_ptr<storage::Disk>> disks_;
    std::unique_ptr<BlockMailbox> mailbox_;
    std::shared_ptr<display::Screen> screen_ = std::make_shared<display::Screen>(video_memory());
    std::shared_ptr<hv::testing::CrankedExecutor> executor_ = std::make_shared<hv::testing::CrankedExecutor>();
    std::shared_ptr<display::Scanner> scanner_ = std::make_shared<display::Scanner>(screen_, executor_);
    unsigned looks_ = 0; ///< at the screen, of this input
    ConsoleMailbox console_{scanner_, [] { return std::uint64_t{0xF000'0000}; }};
    static constexpr net::MacAddress own_address{{0x52, 0x54, 0, 1, 2, 3}};
    std::shared_ptr<net::testing::RecordingBackend> backend_ = std::make_shared<net::testing::RecordingBackend>();
    net::testing::RecordingReceiver card_;
    net::LentBackend lent_{backend_, own_address};
    NetworkMailbox network_{guest_.memory, {{.mac = own_address, .port = lent_.firmware()}}};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
