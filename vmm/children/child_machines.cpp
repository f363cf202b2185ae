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
std::shared_ptr<ChildrenWorkers> workers(unsigned vps)
{
    try {
        load_instruction_decoder();
    } catch (std::runtime_error const& error) {
        throw UserError{error.what()};
    }
    return std::make_shared<ChildrenWorkers>(vps);
}

} // namespace

ChildMachines::ChildMachines(ChildrenOptions const& options, ChildrenWorld world)
    : options_{options}, world_{std::move(world)}, memory_{world_.memory}, workers_{workers(options.vps)}
{}

ChildMachines::~ChildMachines() = default;

void ChildMachines::look_up()
{
    workers_->machines.look_up();
}

std::unique_ptr<hv::ChildMachine> ChildMachines::create(bool local_apics)
try {
    std::unique_ptr<ChildMachine> made;
    workers_->builder.run([&] { made = std::make_unique<ChildMachine>(world_, workers_, local_apics); });
    return made;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "a guest's child could not be made: {}", error.what());
    return nullptr;
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
