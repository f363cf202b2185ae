/// What a guest reaches of its TPM, before a backend that answers when the input says so, with what it says.
///
/// The input is a list of steps. The first byte says what (modulo 4), numbers called "value" are Input::value's:
///   0  a register: an offset (value), size (modulo 4: 1, 2, 4 or 8 bytes), a value to write; bit 7 of the first
///   byte:
///      it is read
///   1  a command: bytes with their number before them are written to the buffer, of which the first is the size that
///      its header names, unless it is 0; it is started
///   2  the backend answers, if it has a command: with so many bytes (value, modulo what is possible); fewer than a
///      header has are none
///   3  the machine comes to rest, or goes on
#include "devices/fuzz/state.hpp"
#include "devices/tpm/crb.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

using namespace devices;
using namespace devices::tpm;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

class LateBackend final : public Backend {
  public:
    void reset() override {}
    void submit(std::vector<std::byte> command, std::shared_ptr<Waiter> waiter) override
    {
        require(!waiter_, "there is one command at a time");
        require(command.size() >= header_bytes && command.size() <= most_bytes, "a command has a header, and fits");
        std::uint32_t size = 0;
        for (std::size_t i = size_offset; i < code_offset; ++i)
            size = size << 8 | std::to_integer<std::uint32_t>(command[i]);
        require(size == command.size(), "a command is as long as its header says");
        waiter_ = std::move(waiter);
    }
    void inspect(hv::Inspector&) const override {}

    bool answer(std::size_t size)
    {
        auto const waiter = std::exchange(waiter_, nullptr);
        if (!waiter) return false;
        std::vector<std::byte> const response(size < header_bytes ? 0 : size, std::byte{0xA5});
        waiter->answered(response);
        return true;
    }

  private:
    std::shared_ptr<Waiter> waiter_;
};

class World {
  public:
    void step(Input& input)
    {
        auto const what = input.byte();
        switch (what % 4) {
        case 0: reach(input, (what & 0x80) != 0); break;
        case 1: command(input); break;
        case 2: answer(input.value() % (most_bytes + 1)); break;
        case 3: rests_ ? go_on() : rest(); break;
        }
        require(read(crb::command_size) == most_bytes, "the buffer is as large as before");
        require((read(crb::control_start) & ~crb::start) == 0, "a command is under way, or none is");
    }

    void end()
    {
        if (rests_) go_on();
        answer(0);
        require(read(crb::control_start) == 0, "what was answered is not under way");
        devices::testing::check_state_stays(crb_);
    }

  private:
    [[nodiscard]] std::uint64_t read(std::uint64_t offset) { return device_.read(offset, 4); }

    void reach(Input& input, bool reads)
    {
        auto const offset = input.value();
        auto const size = 1U << input.below(4);
        auto const at = offset % crb_size & ~std::uint64_t{size - 1};
        auto const value = input.value();
        reads ? (void)device_.read(at, size) : device_.write(at, size, value);
    }

    void command(Input& input)
    {
        device_.write(crb::locality_control, 4, crb::request_access);
        device_.write(crb::control_request, 4, crb::command_ready);
        std::uint64_t at = crb::data;
        for (auto const byte : input.counted_bytes()) {
            if (at == crb_size) break;
            device_.write(at++, 1, byte);
        }
        if (auto const size = device_.read(crb::data, 1); size != 0) {
            device_.write(crb::data + size_offset, 2, 0);
            device_.write(crb::data + code_offset - 2, 2, size << 8);
        }
        device_.write(crb::control_start, 4, crb::start);
    }

    void answer(std::size_t size)
    {
        if (!backend_->answer(size) || rests_) return;
        require(read(crb::control_start) == 0, "a command that was answered is not under way");
        auto const failed = (read(crb::control_status) & crb::failed) != 0;
        require(failed == (size < header_bytes), "a TPM that fails says so");
    }

    void rest()
    {
        crb_.quiesce();
        rests_ = true;
    }
    void go_on()
    {
        crb_.resume();
        rests_ = false;
    }

    std::shared_ptr<LateBackend> const backend_ = std::make_shared<LateBackend>();
    Crb crb_{backend_};
    MmioDevice& device_ = crb_;
    bool rests_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
