// TPMs that a real swtpm has, without a guest.
#include "devices/tpm/swtpm.hpp"
#include "devices/tpm/testing/fake_swtpm.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/helper/tpm_servers.hpp"
#include "vmm/helper/tpm_supervisor.hpp"
#include "vmm/host/testing/contains.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace vmm::helper {

namespace {

using devices::tpm::Swtpm;
using devices::tpm::testing::Awaited;
using devices::tpm::testing::Bytes;
using devices::tpm::testing::bytes_of;
using testing::Contains;
using testing::Folder;

bool has_swtpm()
{
    if (!find_program("swtpm").empty()) return true;
    WARN("needs swtpm");
    return false;
}

std::vector<GuestOptions> guest_with(std::string folder)
{
    std::vector<GuestOptions> guests(1);
    guests.front().tpm = std::move(folder);
    return guests;
}

std::unique_ptr<Swtpm> begin(std::string const& folder)
{
    return std::make_unique<Swtpm>(TpmServers{guest_with(folder)}.take(0), [](auto const&) {});
}

std::string complaint_about(std::string const& folder)
{
    try {
        (void)begin(folder);
    } catch (std::exception const& error) {
        return error.what();
    }
    return "nothing";
}

/// The response's code.
unsigned ask(Swtpm& swtpm, Bytes command)
{
    auto const waiter = std::make_shared<Awaited>();
    swtpm.submit(std::move(command), waiter);
    auto const response = waiter->wait();
    return response.size() < 10
               ? 0xFFFF
               : std::to_integer<unsigned>(response[8]) << 8 | std::to_integer<unsigned>(response[9]);
}

// TPM2_Startup(CLEAR), and TPM2_NV_ReadPublic and TPM2_NV_DefineSpace of an index (TCG TPM 2.0 Library, part 3).
Bytes startup()
{
    return bytes_of({0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0});
}
Bytes read_public()
{
    return bytes_of({0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x69, 1, 0x50, 0, 1});
}
Bytes define_space()
{
    return bytes_of({0x80, 2, 0, 0, 0, 45, 0, 0,  1, 0x2A, 0x40, 0, 0, 1,   0, 0, 0, 9, 0x40, 0, 0, 9, 0,
                     0,    0, 0, 0, 0, 0,  0, 14, 1, 0x50, 0,    1, 0, 0xB, 2, 6, 0, 6, 0,    0, 0, 8});
}

} // namespace

TEST_CASE("a TPM keeps its state in the folder, which is made", "[helper][tpm]")
{
    if (!has_swtpm()) return;
    Folder const place;
    auto const folder = place.path("state, of a guest");
    {
        auto const swtpm = begin(folder);
        CHECK(ask(*swtpm, read_public()) == 0x100); // TPM_RC_INITIALIZE: it wants a start-up first
        CHECK(ask(*swtpm, startup()) == 0);
        CHECK(ask(*swtpm, read_public()) == 0x18B); // no such index
        CHECK(ask(*swtpm, define_space()) == 0);
        swtpm->reset();
        CHECK(ask(*swtpm, read_public()) == 0x100);
        CHECK(ask(*swtpm, startup()) == 0);
        CHECK(ask(*swtpm, read_public()) == 0);
    }
    CHECK((std::filesystem::status(folder).permissions() & std::filesystem::perms{0077}) == std::filesystem::perms{});
    auto const again = begin(folder);
    CHECK(ask(*again, startup()) == 0);
    CHECK(ask(*again, read_public()) == 0);
}

TEST_CASE("a folder that a TPM cannot be kept in is refused", "[helper][tpm]")
{
    if (!has_swtpm()) return;
    Folder const place;
    CHECK_THAT(complaint_about(place.path("missing/state")), Contains("cannot be made: No such file or directory"));
    std::ofstream{place.path("file")} << "x";
    CHECK_THAT(complaint_about(place.path("file")), Contains("is none: name a folder"));
    auto const first = begin(place.path("state"));
    CHECK_THAT(complaint_about(place.path("state")), Contains("is in use by another Porthole or program"));
}

TEST_CASE("a state that is none is refused, in swtpm's words", "[helper][tpm]")
{
    if (!has_swtpm()) return;
    Folder const place;
    std::filesystem::create_directory(place.path("state"));
    std::ofstream{place.path("state/tpm2-00.permall")} << "no state of a TPM";
    CHECK_THAT(complaint_about(place.path("state")),
               Contains("swtpm answers command 2 with") && Contains("it has ended with status"));
    CHECK(std::filesystem::file_size(place.path("state/tpm2-00.permall")) == 17); // as it was
}

TEST_CASE("without swtpm, the package is named", "[helper][tpm]")
{
    Folder const place;
    std::string const path = std::getenv("PATH");
    ::setenv("PATH", place.path("").c_str(), 1);
    CHECK_THAT(complaint_about(place.path("state")), Contains("install Debian's packages swtpm and swtpm-libs"));
    ::setenv("PATH", path.c_str(), 1);
    CHECK_FALSE(std::filesystem::exists(place.path("state")));
}

TEST_CASE("what swtpm complains of is what it says first", "[helper][tpm]")
{
    CHECK(complaint_of_swtpm("swtpm: Could not lock\nswtpm: Error: Could not initialize\n") == "Could not lock");
    CHECK(complaint_of_swtpm("swtpm: Data client disconnected\n").empty());
    CHECK(complaint_of_swtpm("").empty());
}

} // namespace vmm::helper
