/// A [[guest]] of a configuration file: its keys, and what they must not say together with those of other guests.
#pragma once

#include "vmm/config/config_node.hpp"
#include "vmm/options/run_options.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace vmm {

/// A guest and where its keys stand.
struct GuestEntry {
    GuestOptions options{};
    toml::source_position where{};                                      ///< of the [[guest]]
    std::map<std::string, toml::source_position, std::less<>> values{}; ///< by key, of those that are there
    std::vector<toml::source_position> after{};                         ///< of each element
};

struct ConfigContext {
    std::string const& path;
    std::filesystem::path const& folder; ///< where relative paths start
    KnownNames const& known;
};

/// Throws UserError. What depends on other guests is left to the functions below.
[[nodiscard]] GuestEntry read_guest(toml::table const& table, ConfigContext const& context);

/// Gives guests that name no console theirs, and refuses two that cannot both have what they name.
void settle_consoles(std::vector<GuestEntry>& entries, std::string const& path);

/// Refuses a name that is given twice, parents and waits that do not exist or form a cycle, and a wait for a guest
/// without a ready signal.
void check_references(std::vector<GuestEntry> const& entries, std::string const& path);

} // namespace vmm
