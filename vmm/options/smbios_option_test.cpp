#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/options/smbios_option.hpp"

#include <string>

using namespace vmm;
using Catch::Matchers::Contains;

namespace {

std::string complaint(std::string const& text)
{
    SmbiosOptions smbios;
    try {
        parse_smbios("--smbios", text, smbios);
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("what is named of a machine arrives in its field", "[options][smbios]")
{
    SmbiosOptions smbios;
    parse_smbios("--smbios", "vendor=Example,, Inc.,product=One=1,version=2,serial=S-1,sku=K,family=F,asset=,,",
                 smbios);
    CHECK(smbios.vendor == "Example, Inc.");
    CHECK(smbios.product == "One=1");
    CHECK(smbios.version == "2");
    CHECK(smbios.serial == "S-1");
    CHECK(smbios.sku == "K");
    CHECK(smbios.family == "F");
    CHECK(smbios.asset == ",");
    CHECK(smbios.uuid == hv::vmbus::Guid{});
}

TEST_CASE("a later text counts, and OEM strings add up", "[options][smbios]")
{
    SmbiosOptions smbios;
    parse_smbios("--smbios", "serial=1,oem=a,oem=b", smbios);
    parse_smbios("--smbios", "serial=2,oem=c", smbios);
    CHECK(smbios.serial == "2");
    CHECK(smbios.oem == std::vector<std::string>{"a", "b", "c"});
    CHECK(smbios.vendor == "Porthole");
}

TEST_CASE("a UUID is read as it is written", "[options][smbios]")
{
    SmbiosOptions smbios;
    parse_smbios("--smbios", "uuid=00112233-4455-6677-8899-AABBccddeeff", smbios);
    CHECK(smbios.uuid == hv::vmbus::guid("00112233-4455-6677-8899-aabbccddeeff"));
    for (auto const* const bad :
         {"", "1", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
          "00112233445566778899aabbccddeeff", "0011223g-4455-6677-8899-aabbccddeeff",
          "00112233-4455-6677-8899-aabbccddee+f", "00112233-4455-6677-8899aabb-ccddeeff"})
        CHECK_THAT(complaint(std::string{"uuid="} + bad), Contains("is no UUID: write e.g. uuid="));
}

TEST_CASE("what SMBIOS cannot say is refused in one line", "[options][smbios]")
{
    CHECK_THAT(complaint(""), Contains("says nothing"));
    CHECK_THAT(complaint("serial"), Contains("'serial' says nothing: write e.g. vendor=Example"));
    CHECK_THAT(complaint("a,b=c"), Contains("'a' says nothing"));
    CHECK_THAT(complaint("manufacturer=x"), Contains("'manufacturer' is not known: use vendor, product"));
    CHECK_THAT(complaint("serial="), Contains("is empty"));
    CHECK_THAT(complaint("serial=a\nb"), Contains("printable ASCII"));
    CHECK(complaint("serial=a\nb").find('\n') == std::string::npos);
    CHECK_THAT(complaint("serial=\xC3\xA4"), Contains("printable ASCII"));
    CHECK(complaint("serial=" + std::string(1024, 'x')).empty());
    CHECK_THAT(complaint("serial=" + std::string(1025, 'x')), Contains("at most 1024 characters"));
    std::string many = "oem=x";
    for (std::size_t n = 1; n < SmbiosOptions::most_oem_strings; ++n)
        many += ",oem=x";
    CHECK(complaint(many).empty());
    CHECK_THAT(complaint(many + ",oem=x"), Contains("16 at most"));
}
