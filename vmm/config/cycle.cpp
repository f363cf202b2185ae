#include "vmm/config/cycle.hpp"

#include <algorithm>

namespace vmm {

namespace {

/// The first that `from` refers to and that is not crossed out.
std::size_t successor(std::vector<std::size_t> const& from, std::vector<bool> const& crossed_out)
{
    return *std::ranges::find_if(from, [&](auto to) { return !crossed_out[to]; });
}

} // namespace

std::vector<std::size_t> find_cycle(std::vector<std::vector<std::size_t>> const& edges)
{
    // Cross out whoever refers only to those who are crossed out. Each of the rest refers to another of the rest.
    std::vector<bool> crossed_out(edges.size(), false);
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t n = 0; n < edges.size(); ++n) {
            if (crossed_out[n] || !std::ranges::all_of(edges[n], [&](auto to) { return crossed_out[to]; })) continue;
            crossed_out[n] = true;
            changed = true;
        }
    }
    auto const rest = std::ranges::find(crossed_out, false);
    if (rest == crossed_out.end()) return {};

    std::vector<std::size_t> path{static_cast<std::size_t>(rest - crossed_out.begin())};
    for (;;) {
        auto const next = successor(edges[path.back()], crossed_out);
        auto const seen = std::ranges::find(path, next);
        if (seen == path.end()) {
            path.push_back(next);
            continue;
        }
        path.erase(path.begin(), seen);
        std::rotate(path.begin(), std::ranges::min_element(path), path.end());
        return path;
    }
}

} // namespace vmm
