#include "vmm/children/child_machines.hpp"

#include "vmm/base/log.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/children/instruction.hpp"

#include <cstring>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

namespace vmm {

namespace {

/// Before the guest is confined, which may want the library then.
std::shared_ptr<ChildrenWorkers> workers(ChildrenOptions const& options)
{
    try {
        load_instruction_decoder();
    } catch (std::runtime_error const& error) {
        throw UserError{error.what()};
    }
    return std::make_shared<ChildrenWorkers>(options);
}

} // namespace

ChildMachines::ChildMachines(ChildrenWorld const& world, std::shared_ptr<PcMemory> memory)
    : world_{world},
      memory_{std::move(memory)},
      origin_{world_, workers(world.options), std::make_shared<GuestsMemory>(memory_)}
{}

ChildMachines::~ChildMachines() = default;

void ChildMachines::look_up()
{
    origin_.workers->machines.look_up();
}

/// Throws what changing the address space throws, and has changed nothing then.
void ChildMachines::put_into_effect(PageRuns runs)
{
    std::vector<MemoryRange> ranges;
    for (auto const& [first, count] : runs.all())
        ranges.push_back({hv::Gpa{first * hv::page_size}, count * hv::page_size});
    memory_->space().change_overlay(holes_, ranges, {MemoryType::Hole}, "the memory pools of partitions");
    hidden_ = std::move(runs);
}

bool ChildMachines::hide(std::span<std::uint64_t const> pages)
try {
    std::lock_guard const guard{lock_};
    auto runs = hidden_;
    for (auto const page : pages) {
        if (!memory_->ram_at(hv::Gpa{page * hv::page_size})) return false; // a device's
        runs.add(page);
    }
    if (runs.size() > most_runs) return false;
    put_into_effect(std::move(runs));
    return true;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "pages of a guest's could not be taken for its children: {}", error.what());
    return false;
}

/// What cannot be changed back stays a hole.
void ChildMachines::show(std::span<std::uint64_t const> pages)
try {
    std::lock_guard const guard{lock_};
    auto runs = hidden_;
    for (auto const page : pages) {
        std::memset(memory_->ram_at(hv::Gpa{page * hv::page_size}), 0, hv::page_size);
        runs.remove(page);
    }
    put_into_effect(std::move(runs));
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "pages of a guest's children could not be given back: {}", error.what());
}

} // namespace vmm
