#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/image_files.hpp"
#include "vmm/host/testing/contains.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using devices::block::ImageRequest;
using nlohmann::json;
using testing::Contains;
using testing::Folder;

/// A folder with an image, and what qemu-img says of it.
struct Image {
    explicit Image(ImageFormat of = ImageFormat::Qcow2) : format{of}
    {
        std::filesystem::create_directory(folder.path("below"));
        path = file("image.vmdk");
        chain = json::array({layer(path, std::string{devices::block::name_of(format)})});
    }

    [[nodiscard]] std::string file(std::string const& name) const
    {
        return std::filesystem::canonical(folder.file(name, "x")).string();
    }
    static json layer(std::string const& filename, std::string const& its_format)
    {
        return {{"filename", filename}, {"format", its_format}};
    }
    /// Bases the last layer on a file.
    void base_on(std::string const& filename, std::string const& base_format, bool says_format = true)
    {
        chain.back()["backing-filename"] = filename;
        if (says_format) chain.back()["backing-filename-format"] = base_format;
        chain.push_back(layer(filename, base_format));
    }
    [[nodiscard]] std::vector<ImageFile> files(ImageRequest request = {}) const
    {
        request.image = path;
        request.format = format;
        return image_files(request, path, chain.dump());
    }
    [[nodiscard]] std::string refusal(ImageRequest const& request = {}) const
    {
        try {
            (void)files(request);
        } catch (ImageRefused const& refused) {
            return refused.what();
        }
        return "nothing";
    }

    Folder folder;
    ImageFormat format;
    std::string path;
    json chain;
};

ImageRequest with_backing(std::string folder)
{
    ImageRequest request;
    request.backing = std::move(folder);
    return request;
}

} // namespace

TEST_CASE("the files of an image are its own, and those that it is based on, for reading", "[helper][image]")
{
    Image image;
    auto const middle = image.file("middle.qcow2");
    auto const base = image.file("below/base.img");
    image.base_on(middle, "qcow2");
    image.base_on(base, "raw");
    CHECK(image.files() == std::vector<ImageFile>{{image.path, false}, {middle, true}, {base, true}});
    ImageRequest read_only;
    read_only.read_only = true;
    CHECK(image.files(read_only).front() == ImageFile{image.path, true});
}

TEST_CASE("a file outside the image's folder is refused, however deep, unless it is allowed",
          "[helper][image][hostile]")
{
    Folder const elsewhere;
    auto const outside = std::filesystem::canonical(elsewhere.file("base.qcow2", "x")).string();
    Image image;
    image.base_on(image.file("middle.qcow2"), "qcow2");
    std::string named = outside;
    SECTION("by its name") {}
    SECTION("by dots")
    {
        named = image.folder.path("below/../../" + elsewhere.path("").substr(5) + "base.qcow2");
    }
    SECTION("by a link")
    {
        named = image.folder.path("link.qcow2");
        std::filesystem::create_symlink(outside, named);
    }
    if (!std::filesystem::exists(named)) named = outside; // folders are elsewhere than in /tmp
    image.base_on(named, "qcow2");
    CHECK_THAT(image.refusal(), Contains("outside its own folder: add ',backing="));
    CHECK(image.files(with_backing(elsewhere.path("."))).back() == ImageFile{outside, true});
    CHECK_THAT(image.refusal(with_backing("/no/such/folder")), Contains("a folder by backing= that is not there"));
}

TEST_CASE("what is no file cannot be what an image is based on", "[helper][image][hostile]")
{
    for (auto const* const name :
         {"nbd://host/export", "json:{\"driver\": \"nbd\"}", "fat:/etc", "/no/such/file", ""}) {
        Image image;
        image.base_on(name, "raw");
        CAPTURE(name);
        CHECK(image.refusal() != "nothing");
    }
    Image driver;
    driver.base_on(driver.file("base.img"), "nbd");
    CHECK_THAT(driver.refusal(), Contains("of a format that is not used here"));
}

TEST_CASE("a base is not taken for what it looks like, unless the image or its own name says so", "[helper][image]")
{
    Image guessed;
    guessed.base_on(guessed.file("base.img"), "qcow2", false);
    CHECK_THAT(guessed.refusal(), Contains("does not say which format") && Contains("qemu-img rebase"));
    Image raw;
    raw.base_on(raw.file("base.img"), "raw", false);
    CHECK(raw.files().size() == 2);
    Image named;
    named.base_on(named.file("base.qcow2"), "qcow2", false);
    CHECK(named.files().size() == 2);
}

TEST_CASE("parts that a guest writes to are named after their image, or allowed", "[helper][image][hostile]")
{
    Image image{ImageFormat::Vmdk};
    auto const own = image.file("image-f001.vmdk");
    auto const other = image.file("other.vmdk");
    auto const with_extent = [&](std::string const& name) {
        image.chain[0]["format-specific"]["data"]["extents"] =
            json::array({{{"filename", image.path}}, {{"filename", name}}});
    };
    with_extent(own);
    CHECK(image.files() == std::vector<ImageFile>{{image.path, false}, {own, false}});
    with_extent(other);
    CHECK_THAT(image.refusal(), Contains("not named after it"));
    CHECK(image.files(with_backing(image.folder.path("."))).back() == ImageFile{other, false});

    Image qcow;
    (void)qcow.file("image-data.vmdk");
    qcow.chain[0]["format-specific"]["data"]["data-file"] = "image-data.vmdk";
    CHECK_THAT(qcow.refusal(), Contains("a data file 'image-data.vmdk'"));
    CHECK(qcow.files(with_backing(qcow.folder.path("."))).size() == 2);
}

TEST_CASE("encrypted images and such as cannot be written to are refused in words", "[helper][image]")
{
    Image encrypted;
    encrypted.chain[0]["encrypted"] = true;
    CHECK_THAT(encrypted.refusal(), Contains("is encrypted"));
    Image stream{ImageFormat::Vmdk};
    stream.chain[0]["format-specific"]["data"]["create-type"] = "streamOptimized";
    CHECK_THAT(stream.refusal(), Contains("add ',ro'"));
    ImageRequest read_only;
    read_only.read_only = true;
    CHECK(stream.files(read_only).size() == 1);
}

TEST_CASE("what qemu-img never says is no list of files", "[helper][image][hostile]")
{
    Image const image;
    ImageRequest const request{.image = image.path, .format = ImageFormat::Qcow2};
    std::string const deep(100, '[');
    for (auto const& said :
         {std::string{}, std::string{"{}"}, std::string{"[]"}, std::string{"[1]"}, std::string{"[{}]"},
          std::string{R"([{"format": 1}])"}, std::string{R"([{"format": "raw"}])"},
          std::string{R"([{"format": "qcow2", "backing-filename": "more"}])"},
          std::string{R"([{"format": "qcow2", "format-specific": {"data": {"extents": 1}}}])"}, deep,
          deep + std::string(100, ']')}) {
        CAPTURE(said);
        CHECK_THROWS_AS(image_files(request, image.path, said), ImageRefused);
    }
}

TEST_CASE("a path is within a folder only below it", "[helper][image]")
{
    CHECK(is_within("/a", "/a/b"));
    CHECK(is_within("/", "/a"));
    CHECK_FALSE(is_within("/a", "/a"));
    CHECK_FALSE(is_within("/a", "/ab"));
    CHECK_FALSE(is_within("/a", "/a/"));
    CHECK_FALSE(is_within("/", "/"));
}

} // namespace vmm::helper
