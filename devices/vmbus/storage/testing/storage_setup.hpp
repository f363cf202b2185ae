/// A storage controller with a disk that a test looks into, and what it expects of answers.
#pragma once

#include "devices/block/testing/recording_backend.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace devices::storage::testing {

inline constexpr std::uint64_t mib = 1 << 20;

/// A controller with one disk at LUN 0, which the test looks into.
struct Setup {
    explicit Setup(bool read_only = false)
    {
        auto blocks = std::make_unique<block::testing::RecordingBackend>(
            block::Properties{.size = 4 * mib, .read_only = read_only, .discard = true, .discard_zeroes = true});
        backend = blocks.get();
        REQUIRE(controller.add(0, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "serial")));
    }

    OfferedDevices bus;
    StorageController controller{bus, 0, 3};
    block::testing::RecordingBackend* backend;
};

inline void require_sense(Answer const& answer, int key, int asc, int ascq)
{
    REQUIRE(answer.header.operation == Operation::CompleteIo);
    REQUIRE(static_cast<int>(answer.request.scsi_status) == 0x02);
    REQUIRE(static_cast<int>(answer.request.srb_status) == 0x84); // ERROR, AUTOSENSE_VALID
    REQUIRE(static_cast<int>(answer.request.sense_length) == 18);
    REQUIRE((answer.request.cdb_or_sense[2] & 0x0F) == key);
    REQUIRE(static_cast<int>(answer.request.cdb_or_sense[12]) == asc);
    REQUIRE(static_cast<int>(answer.request.cdb_or_sense[13]) == ascq);
    REQUIRE(answer.request.data_transfer_length == 0);
}

inline void require_good(Answer const& answer, std::uint32_t transferred)
{
    REQUIRE(answer.header.operation == Operation::CompleteIo);
    REQUIRE(answer.header.status == PacketStatus::Success);
    REQUIRE(answer.request.scsi_status == 0);
    REQUIRE(answer.request.srb_status == 1);
    REQUIRE(answer.request.data_transfer_length == transferred);
}

} // namespace devices::storage::testing
