#include "devices/vmbus/network/settings.hpp"

namespace devices::network {

namespace {

struct Counted {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t dropped = 0;
    std::uint64_t malformed = 0;

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"frames", &Counted::frames}, hv::StateField{"bytes", &Counted::bytes},
                          hv::StateField{"dropped", &Counted::dropped},
                          hv::StateField{"malformed", &Counted::malformed}};
    }
};

} // namespace

void Traffic::visit(hv::StateVisitor& visitor)
{
    Counted all{frames.value(), bytes.value(), dropped.value(), malformed.value()};
    hv::visit(visitor, all);
    if (!visitor.restores()) return;
    frames.set(all.frames);
    bytes.set(all.bytes);
    dropped.set(all.dropped);
    malformed.set(all.malformed);
}

} // namespace devices::network
