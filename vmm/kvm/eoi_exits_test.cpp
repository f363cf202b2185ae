#include "hv/testing/catch.hpp"
#include "vmm/kvm/eoi_exits.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace {

/// A folder like /sys/module, with one parameter of a module.
class Modules {
  public:
    Modules(std::string const& parameter, std::string const& value)
    {
        std::filesystem::create_directories((root_ / parameter).parent_path());
        std::ofstream{root_ / parameter} << value << '\n';
    }
    ~Modules() { std::filesystem::remove_all(root_); }
    Modules(Modules const&) = delete;
    Modules& operator=(Modules const&) = delete;

    [[nodiscard]] std::string path() const { return root_; }

  private:
    std::filesystem::path const root_ =
        std::filesystem::temp_directory_path() / ("porthole-modules-" + std::to_string(::getpid()));
};

} // namespace

TEST_CASE("EOIs are exits where KVM says that the processor does not virtualise the APIC", "[kvm]")
{
    CHECK(vmm::eoi_exits(Modules{"kvm_amd/parameters/avic", "N"}.path()));
    CHECK(vmm::eoi_exits(Modules{"kvm_amd/parameters/avic", "0"}.path()));
    CHECK(vmm::eoi_exits(Modules{"kvm_intel/parameters/enable_apicv", "N"}.path()));
    CHECK_FALSE(vmm::eoi_exits(Modules{"kvm_amd/parameters/avic", "Y"}.path()));
    CHECK_FALSE(vmm::eoi_exits(Modules{"kvm_intel/parameters/enable_apicv", "Y"}.path()));
}

TEST_CASE("nobody knows of the EOIs of a KVM that is neither Intel's nor AMD's", "[kvm]")
{
    CHECK_FALSE(vmm::eoi_exits(Modules{"kvm_pvm/parameters/other", "N"}.path()));
    CHECK_FALSE(vmm::eoi_exits("/nowhere"));
}
