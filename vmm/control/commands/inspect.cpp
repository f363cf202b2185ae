#include "hv/partition/inspect.hpp"

#include "hv/partition/partition.hpp"
#include "hv/vp/virtual_processor.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_inspector.hpp"
#include "vmm/control/json_text.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace vmm::control {

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr auto patience = 100ms; ///< with all VPs of a guest together

/// What the threads of VPs tell of them. One that comes too late finds it here still.
class VpReports {
  public:
    explicit VpReports(std::size_t vps) : reports_(vps), missing_{vps} {}

    void fill(std::size_t vp, json report)
    {
        std::lock_guard const guard{lock_};
        reports_[vp] = std::move(report);
        if (--missing_ == 0) complete_.notify_all();
    }
    /// Those that have come within `patience`; null for the others.
    [[nodiscard]] std::vector<json> wait()
    {
        std::unique_lock guard{lock_};
        (void)complete_.wait_for(guard, patience, [this] { return missing_ == 0; });
        return reports_;
    }

  private:
    std::mutex lock_;
    std::condition_variable complete_;
    std::vector<json> reports_;
    std::size_t missing_;
};

json report_of(hv::VirtualProcessor& vp)
{
    JsonInspector inspector;
    vp.inspect(inspector);
    return inspector.take();
}

/// Each VP's own thread tells about it, because it alone may read the VP's registers; all do so at once.
void inspect_vps(Guest const& guest, hv::Partition const& partition, JsonInspector& inspector)
{
    hv::InspectedNode const node{inspector, "vps"};
    auto const vps = partition.vps();
    inspector.number("count", vps.size());
    if (guest.state() != Guest::State::Running) return;

    auto const reports = std::make_shared<VpReports>(vps.size());
    for (std::size_t i = 0; i < vps.size(); ++i) {
        auto* const vp = vps[i].get();
        if (!vp->requests().have_done_later([reports, i, vp] { reports->fill(i, report_of(*vp)); }))
            reports->fill(i, {{"state", "ended"}});
    }
    auto const told = reports->wait();
    for (std::size_t i = 0; i < told.size(); ++i) {
        static json const busy{{"state", "busy: it has not answered"}};
        inspector.graft(std::to_string(i), told[i].is_null() ? busy : told[i]);
    }
}

void inspect_guest(Guest const& guest, JsonInspector& inspector)
{
    auto* const partition = guest.partition();
    hv::InspectedNode const node{inspector, std::to_string(partition->id().value)};
    inspector.text("guest", guest.options().name);
    hv::inspect(*partition, inspector);
    inspect_vps(guest, *partition, inspector);
    guest.inspect_devices(inspector);
}

/// The part of the tree that a path of names leads to, "partitions/2/vps".
json part_of(json const& tree, std::string const& path)
{
    auto const* at = &tree;
    for (std::size_t begin = 0; begin < path.size();) {
        auto const end = std::min(path.find('/', begin), path.size());
        auto const name = path.substr(begin, end - begin);
        if (!name.empty() && !(at->is_object() && at->contains(name)))
            throw UserError{"there is nothing at '" + printable(path) + "'"};
        if (!name.empty()) at = &(*at)[name];
        begin = end + 1;
    }
    return *at;
}

} // namespace

void inspect(Call& call)
{
    auto const path = call.arguments.take_optional("path");
    call.arguments.refuse_rest();
    JsonInspector inspector;
    {
        hv::InspectedNode const partitions{inspector, "partitions"};
        if (!call.guest) {
            hv::InspectedNode const root{inspector, std::to_string(hv::PartitionRegistry::root_id.value)};
            inspector.text("guest", "(the root: Porthole)");
            hv::inspect(call.run.registry.root(), inspector);
        }
        for (auto const& guest : call.run.guests) {
            if (guest->partition() && (!call.guest || call.guest == guest.get())) inspect_guest(*guest, inspector);
        }
    }
    call.reply.answer(part_of(inspector.take(), path.value_or("")));
}

} // namespace vmm::control
