// The registers of a TPM as a guest finds them (TCG PTP 1.05 §6.5.3).
#include "devices/tpm/crb.hpp"
#include "devices/tpm/testing/fake_swtpm.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

using namespace devices::tpm;
using namespace devices::tpm::testing;

namespace {

/// Answers when the test says so.
class HeldBackend final : public Backend {
  public:
    void reset() override { ++resets; }
    void submit(std::vector<std::byte> command, std::shared_ptr<Waiter> waiter) override
    {
        commands.push_back(std::move(command));
        waiters.push_back(std::move(waiter));
    }
    void inspect(hv::Inspector&) const override {}

    void answer(Bytes const& response) const { waiters.back()->answered(response); }

    unsigned resets = 0;
    std::vector<Bytes> commands;
    std::vector<std::shared_ptr<Waiter>> waiters;
};

struct Guest {
    std::shared_ptr<HeldBackend> backend = std::make_shared<HeldBackend>();
    std::unique_ptr<Crb> crb = std::make_unique<Crb>(backend);
    devices::MmioDevice& device = *crb;

    std::uint64_t read(std::uint64_t offset, unsigned size = 4) { return device.read(offset, size); }
    void write(std::uint64_t offset, std::uint64_t value, unsigned size = 4) { device.write(offset, size, value); }
    void put(Bytes const& command)
    {
        for (std::size_t i = 0; i < command.size(); ++i)
            write(crb::data + i, std::to_integer<std::uint64_t>(command[i]), 1);
    }
    void take_locality() { write(crb::locality_control, crb::request_access); }
    void begin(Bytes const& command)
    {
        take_locality();
        write(crb::control_request, crb::command_ready);
        put(command);
        write(crb::control_start, crb::start);
    }
    Bytes shown(std::size_t size)
    {
        Bytes bytes;
        for (std::size_t i = 0; i < size; ++i)
            bytes.push_back(static_cast<std::byte>(read(crb::data + i, 1)));
        return bytes;
    }
};

} // namespace

TEST_CASE("a guest recognises the interface", "[tpm]")
{
    Guest guest;
    CHECK(guest.backend->resets == 1);
    CHECK((guest.read(crb::interface_id) & 0xF) == 1);
    CHECK((guest.read(crb::interface_id) >> 4 & 0xF) == 1);
    CHECK(guest.read(crb::interface_id, 8) >> 32 == 0x1014);
    CHECK(guest.read(crb::locality_state) == 0x81);
    CHECK(guest.read(crb::locality_state, 1) == 0x81);
    CHECK(guest.read(crb::control_status) == crb::idle);
    CHECK(guest.read(crb::command_address, 4) == 0xFED4'0080);
    CHECK(guest.read(crb::response_address, 8) == 0xFED4'0080);
    CHECK(guest.read(crb::command_size) == 3968);
    CHECK(guest.read(crb::response_size) == 3968);
    CHECK(guest.read(crb::response_size + 1, 1) == 0x0F);
}

TEST_CASE("a guest has locality 0 when it asks for it, until it lets go", "[tpm]")
{
    Guest guest;
    guest.take_locality();
    CHECK(guest.read(crb::locality_status) == crb::granted);
    CHECK(guest.read(crb::locality_state) == 0x83);
    guest.write(crb::locality_control, crb::relinquish);
    CHECK(guest.read(crb::locality_status) == 0);
}

TEST_CASE("a command is carried out, and its response shown at once", "[tpm]")
{
    Guest guest;
    auto const command = bytes_of({0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0});
    guest.begin(command);
    CHECK(guest.read(crb::control_status) == 0);
    CHECK(guest.read(crb::control_start) == crb::start);
    REQUIRE(guest.backend->commands == std::vector<Bytes>{command});
    guest.put(header(7)); // too late
    CHECK(guest.shown(12) == command);
    guest.backend->answer(header(0x100));
    CHECK(guest.read(crb::control_start) == 0);
    CHECK(guest.shown(10) == header(0x100));
    CHECK(guest.shown(12)[11] == std::byte{0});
    guest.write(crb::control_request, crb::go_idle);
    CHECK(guest.read(crb::control_request) == 0);
    CHECK(guest.read(crb::control_status) == crb::idle);
}

TEST_CASE("the buffer takes accesses of any size", "[tpm]")
{
    Guest guest;
    guest.write(crb::data, 0x8877'6655'4433'2211, 8);
    guest.write(crb::data + 2, 0xAABB, 2);
    CHECK(guest.read(crb::data, 8) == 0x8877'6655'AABB'2211);
    guest.write(crb_size - 4, 0x1234'5678);
    CHECK(guest.read(crb_size - 1, 1) == 0x12);
}

TEST_CASE("a TPM that fails says so, and goes on saying so", "[tpm]")
{
    Guest guest;
    guest.begin(header(1));
    guest.backend->answer({});
    CHECK(guest.read(crb::control_start) == 0);
    CHECK(guest.read(crb::control_status) == crb::failed);
    CHECK(guest.shown(10) == header(0x101));
    guest.begin(header(1));
    guest.backend->answer(header(0));
    CHECK(guest.read(crb::control_status) == 0);
}

TEST_CASE("a command of an impossible size does not reach the TPM", "[tpm][hostile]")
{
    Guest guest;
    auto const size = GENERATE(0U, 9U, 3969U, 0xFFFF'FFFFU);
    guest.begin(header(1, size));
    CHECK(guest.backend->commands.empty());
    CHECK(guest.read(crb::control_start) == 0);
    CHECK(guest.shown(10) == header(0x142));
}

TEST_CASE("one command is under way at a time, and none without the locality", "[tpm][hostile]")
{
    Guest guest;
    guest.put(header(1));
    guest.write(crb::control_start, crb::start);
    CHECK(guest.backend->commands.empty());
    guest.begin(header(1));
    guest.write(crb::control_start, crb::start);
    guest.write(crb::locality_control, crb::relinquish);
    guest.write(crb::control_request, crb::go_idle);
    guest.begin(header(2));
    CHECK(guest.backend->commands.size() == 1);
}

TEST_CASE("what a guest writes to other registers goes nowhere", "[tpm][hostile]")
{
    Guest guest;
    for (std::uint64_t offset = 0; offset < crb::data; ++offset) {
        for (auto const size : {1U, 2U, 4U, 8U}) {
            if (offset % size != 0 || size == 8 || (size == 4 && offset == crb::locality_control)) continue;
            guest.write(offset, ~std::uint64_t{0}, size);
            (void)guest.read(offset, size);
        }
    }
    CHECK(guest.backend->commands.empty());
    CHECK(guest.read(crb::locality_state) == 0x81);
    CHECK(guest.read(crb::command_size) == 3968);
}

TEST_CASE("a response that comes while the machine rests is shown when it goes on", "[tpm]")
{
    Guest guest;
    guest.begin(header(1));
    guest.crb->quiesce();
    guest.backend->answer(header(0));
    CHECK(guest.read(crb::control_start) == crb::start);
    guest.crb->resume();
    CHECK(guest.read(crb::control_start) == 0);
    CHECK(guest.shown(10) == header(0));
}

TEST_CASE("a response that comes when the machine has gone harms nobody", "[tpm][hostile]")
{
    Guest guest;
    guest.begin(header(1));
    guest.crb.reset();
    guest.backend->answer(header(0));
}
