// Fuzzes the SCSI controller of VMBus: packets with any content, ranges and CDBs, rings with any indices, channels
// closed with I/O under way, units that go.
//
// The input is a series of steps. The first byte's low three bits say which; bit 3 chooses the channel, of two at
// most; the rest is read by `Input` as the steps below say.
#include "devices/block/testing/recording_backend.hpp"
#include "devices/fuzz/flood.hpp"
#include "devices/fuzz/state.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <array>
#include <memory>
#include <vector>

namespace {

using namespace devices::storage;
using devices::block::testing::RecordingBackend;
using hv::fuzz::Input;
using hv::fuzz::require;

constexpr std::uint64_t disk_size = 256 << 10;
constexpr unsigned channels = 2; ///< the primary one, and a sub-channel

class World {
  public:
    World()
    {
        add_unit(0, devices::scsi::DeviceType::Disk, false);
        add_unit(1, devices::scsi::DeviceType::Disk, true);
        add_unit(2, devices::scsi::DeviceType::Disc, true);
        open(0);
    }
    World(World const&) = delete;
    World& operator=(World const&) = delete;

    void step(Input& input)
    {
        auto const first = input.byte();
        auto const channel = first >> 3 & 1U;
        bool const flag = (first & 0x10) != 0;
        switch (first & 7) {
        case 0: operation(channel, input); break;
        case 1: command(channel, input, flag); break;
        case 2: raw(channel, input); break;
        case 3: index(channel, input, flag); break;
        case 4: flag ? close(channel) : open(channel); break;
        case 5: backend(input, flag); break;
        case 6: answers(channel, flag ? 1000 : input.byte()); break;
        default:
            if (!memory_.change_after(input)) flood(channel, input, flag);
            break;
        }
        (void)bus_.executor.crank_one();
        check();
    }

    void end()
    {
        memory_.change_after(0, 0, 0);
        hv::testing::Inspected seen;
        controller_.inspect(seen);
        bus_.executor.crank();
        for (auto* const backend : backends_)
            if (backend) backend->later = false;
        for (auto const& device : bus_.devices)
            devices::testing::save_at_rest(*device, bus_.executor);
    }

  private:
    using Guest = testing::StorageGuest;

    void add_unit(std::size_t lun, devices::scsi::DeviceType type, bool read_only)
    {
        auto blocks = std::make_unique<RecordingBackend>(devices::block::Properties{
            .size = disk_size, .read_only = read_only, .discard = !read_only, .discard_zeroes = true});
        auto* const backend = blocks.get();
        if (controller_.add(lun, std::make_shared<Disk>(type, std::move(blocks), "serial"))) backends_[lun] = backend;
    }

    void open(unsigned channel)
    {
        if (guests_[channel] || channel >= bus_.devices.size()) return;
        guests_[channel] = std::make_unique<Guest>(bus_.devices[channel]);
        auto& memory = *guests_[channel]->channel;
        memory_.watch({memory.page(0), (2 * hv::testing::TestChannel::ring_pages + Guest::pages) * hv::page_size});
    }

    void close(unsigned channel)
    {
        if (!guests_[channel]) return;
        bus_.devices[channel]->close();
        kept_.push_back(std::move(guests_[channel])); // loads are watched there
        if (channel != 0) return;
        close(1);
        bus_.devices.resize(1); // the bus drops sub-channels with their primary one
    }

    /// The guest's own driver needs indices that make sense; the host has to live with others.
    static bool usable(hv::testing::GuestRing const& ring)
    {
        auto const sane = [&](std::uint32_t i) { return i < ring.size() && i % 8 == 0; };
        return sane(ring.write_index()) && sane(ring.read_index());
    }
    [[nodiscard]] bool can_write(unsigned channel) const
    {
        return guests_[channel] && usable(guests_[channel]->channel->to_host());
    }

    void operation(unsigned channel, Input& input)
    {
        auto const operation = input.byte();
        auto const word = static_cast<std::uint16_t>(input.value());
        if (can_write(channel)) guests_[channel]->send_operation(Operation{operation}, word);
    }

    void command(unsigned channel, Input& input, bool any_header)
    {
        devices::scsi::testing::Cdb cdb{};
        auto const bytes = input.bytes(cdb.size());
        std::copy(bytes.begin(), bytes.end(), cdb.begin());
        auto const size = static_cast<std::uint32_t>(input.value());
        auto packet = Guest::command(cdb, size, (cdb[0] & 2) == 0, input.byte() & 3);
        packet.request.data_in = input.byte();
        packet.request.sense_length = input.byte();
        packet.request.cdb_length = static_cast<std::uint8_t>(16 + static_cast<int>(input.byte()));
        std::vector<std::byte> header;
        if (any_header) {
            auto const given = input.counted_bytes();
            header.resize(given.size() / 8 * 8);
            if (!header.empty()) std::memcpy(header.data(), given.data(), header.size());
        } else {
            std::vector<std::uint64_t> pages;
            for (unsigned n = 1 + input.below(32); n > 0; --n)
                pages.push_back(hv::testing::TestChannel::free_page(input.below(Guest::pages)));
            auto const bytes_named = static_cast<std::uint32_t>(input.value());
            auto const offset = static_cast<std::uint32_t>(input.value());
            header = hv::testing::gpa_direct_header(bytes_named, offset, pages);
        }
        if (can_write(channel)) guests_[channel]->send_direct(packet, header, ++sent_);
    }

    /// A command again and again; with answers when `wants_answer`.
    void flood(unsigned channel, Input& input, bool wants_answer)
    {
        devices::scsi::testing::Cdb cdb{};
        auto const bytes = input.bytes(cdb.size());
        std::copy(bytes.begin(), bytes.end(), cdb.begin());
        if (!can_write(channel)) return;
        auto const packet = Guest::command(cdb, hv::page_size, (cdb[0] & 2) == 0);
        devices::testing::carry_out(
            {*bus_.devices[channel],
             guests_[channel]->channel->to_host(),
             {hv::abi::PacketType::DataUsingGpaDirect, 0, 0, static_cast<std::uint16_t>(wants_answer ? 1 : 0), 1},
             hv::testing::gpa_direct_header(hv::page_size, 0, {hv::testing::TestChannel::free_page(0)}),
             std::as_bytes(std::span{&packet, 1})},
            memory_, bus_.executor);
    }

    void raw(unsigned channel, Input& input)
    {
        auto const bytes = std::as_bytes(input.counted_bytes());
        if (!can_write(channel)) return;
        (void)guests_[channel]->channel->to_host().write_raw(bytes.first(bytes.size() / 8 * 8));
        bus_.devices[channel]->signalled();
    }

    void index(unsigned channel, Input& input, bool outgoing)
    {
        auto const which = input.below(4);
        auto const value = static_cast<std::uint32_t>(input.value());
        if (!guests_[channel]) return;
        auto const& pages = *guests_[channel]->channel;
        auto const ring = outgoing ? pages.to_guest() : pages.to_host();
        switch (which) {
        case 0: ring.write_index().store(value); break;
        case 1: ring.read_index().store(value); break;
        case 2: ring.interrupt_mask().store(value); break;
        default: ring.pending_send_size().store(value); break;
        }
        bus_.devices[channel]->signalled();
    }

    void backend(Input& input, bool later)
    {
        auto const lun = input.below(3);
        auto const what = input.below(6);
        auto* const backend = backends_[lun];
        if (!backend) {
            add_unit(lun, devices::scsi::DeviceType::Disk, false);
            return;
        }
        switch (what) {
        case 0: backend->later = later; break;
        case 1: backend->outcome = devices::block::Result{static_cast<std::uint8_t>(input.below(5))}; break;
        case 2:
            backends_[lun] = nullptr;
            (void)controller_.remove(lun);
            break;
        default: (void)backend->answer_next(); break;
        }
    }

    void answers(unsigned channel, unsigned count)
    {
        if (!guests_[channel]) return;
        auto const ring = guests_[channel]->channel->to_guest();
        for (; count > 0; --count) {
            if (!usable(ring) || ring.used() < 24 + largest_packet) return;
            auto const* const length = ring.data() + (ring.read_index() + 4) % ring.size();
            std::uint16_t words = 0;
            std::memcpy(&words, length, sizeof words);
            if (words * 8U > ring.used()) return;
            ring.read_index().store((ring.read_index() + words * 8U + 8) % ring.size());
        }
        bus_.devices[channel]->signalled();
    }

    void check()
    {
        std::size_t waiting = 0;
        for (auto* const backend : backends_) {
            if (!backend) continue;
            for (auto const& record : backend->records)
                require(record.offset <= disk_size && record.length <= disk_size - record.offset,
                        "a request lies within the disk");
            backend->records.clear();
            waiting += backend->waiting();
        }
        // Those of channels that were closed count with their channel; a new sub-channel counts anew.
        require(waiting <= StorageChannel::max_under_way * 64, "no more is under way than the channels allow");
    }

    hv::fuzz::ChangingMemory memory_;
    testing::OfferedDevices bus_;
    StorageController controller_{bus_, 0, 1};
    std::array<RecordingBackend*, 3> backends_{};
    std::array<std::unique_ptr<Guest>, channels> guests_{};
    std::vector<std::unique_ptr<Guest>> kept_;
    std::uint64_t sent_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
