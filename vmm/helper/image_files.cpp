#include "vmm/helper/image_files.hpp"

#include "devices/block/image_format.hpp"
#include "vmm/helper/server_news.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using nlohmann::json;

constexpr std::size_t longest_chain = 256;
constexpr int deepest = 16;

[[noreturn]] void refuse(std::string const& why)
{
    throw ImageRefused{why};
}

[[noreturn]] void no_output()
{
    refuse("cannot be looked at: qemu-img says what is not understood");
}

json parse(std::string_view info)
{
    bool too_deep = false;
    auto const count = [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > deepest;
        return !too_deep;
    };
    auto out = json::parse(info, count, false);
    if (too_deep || !out.is_array() || out.empty() || out.size() > longest_chain) no_output();
    for (auto const& layer : out)
        if (!layer.is_object()) no_output();
    return out;
}

/// Empty when it is not there.
std::string text(json const& object, char const* key)
{
    if (!object.is_object() || !object.contains(key)) return {};
    if (!object[key].is_string()) no_output();
    return object[key].get<std::string>();
}

json const& member(json const& object, char const* key)
{
    static json const nothing;
    return object.is_object() && object.contains(key) ? object[key] : nothing;
}

bool is_true(json const& object, char const* key)
{
    auto const& value = member(object, key);
    return value.is_boolean() && value.get<bool>();
}

class Collector {
  public:
    Collector(devices::block::ImageRequest const& request, std::string const& image)
        : request_{request}, image_{image}, folder_{std::filesystem::path{image}.parent_path().string()}
    {
        std::error_code error;
        if (request.backing.empty()) return;
        backing_ = std::filesystem::canonical(request.backing, error).string();
        if (error) refuse("names a folder by backing= that is not there: " + last_words(request.backing));
    }

    [[nodiscard]] std::vector<ImageFile> collect(json const& chain)
    {
        add(image_, request_.read_only);
        for (std::size_t at = 0; at < chain.size(); ++at) {
            auto const path = at == 0 ? image_ : backing_file(chain[at - 1], chain[at]);
            if (is_true(chain[at], "encrypted"))
                refuse("is encrypted, or a file that it is based on: decrypt it with 'qemu-img convert'");
            add_parts(chain[at], path, request_.read_only || at != 0);
        }
        // A chain ends where a layer has nothing below it.
        if (!text(chain.back(), "backing-filename").empty()) no_output();
        return files_;
    }

  private:
    void add(std::string const& path, bool read_only)
    {
        auto const there = std::ranges::find(files_, path, &ImageFile::path);
        if (there == files_.end())
            files_.push_back({path, read_only});
        else
            there->read_only = there->read_only && read_only;
    }

    /// Relative names begin in the folder of the file that has them.
    [[nodiscard]] std::string real(std::string const& of, std::string const& name, char const* what) const
    {
        std::error_code error;
        auto const path = std::filesystem::canonical(std::filesystem::path{of}.parent_path() / name, error).string();
        if (error) refuse("has " + quoted(what, name) + ", which is not there, or no file");
        bool const allowed = is_allowed(path) || (!is_device(image_) && is_within(folder_, path));
        if (!allowed)
            refuse("has " + quoted(what, name) + ", outside its own folder: add ',backing=" +
                   last_words(std::filesystem::path{path}.parent_path().string()) + "' if that may be read");
        return path;
    }

    [[nodiscard]] bool is_allowed(std::string const& path) const
    {
        return !backing_.empty() && is_within(backing_, path);
    }

    static bool is_device(std::string const& path)
    {
        std::error_code error;
        return std::filesystem::is_block_file(path, error);
    }

    static std::string quoted(char const* what, std::string const& name)
    {
        return std::string{what} + " '" + last_words(name) + "'";
    }

    /// What a layer is based on, of which `below` tells.
    [[nodiscard]] std::string backing_file(json const& layer, json const& below) const
    {
        constexpr auto what = "a backing file";
        auto const name = text(below, "filename");
        auto const path = real(image_, name, what);
        auto const format = devices::block::format_named(text(below, "format"));
        if (!format) refuse("has " + quoted(what, name) + " of a format that is not used here");
        bool const sure = !text(layer, "backing-filename-format").empty() || *format == ImageFormat::Raw ||
                          devices::block::format_by_name(path) == *format;
        if (!sure)
            refuse("does not say which format " + quoted(what, name) +
                   " has: make it say so with 'qemu-img rebase -u -F FORMAT -b FILE'");
        return path;
    }

    /// Files beside a layer's own that have its data.
    void add_parts(json const& layer, std::string const& path, bool read_only)
    {
        add(path, read_only || path != image_);
        auto const& data = member(member(layer, "format-specific"), "data");
        if (auto const name = text(data, "data-file"); !name.empty()) add_part(path, name, "a data file", read_only);
        auto const& extents = member(data, "extents");
        if (extents.is_null()) return;
        if (!extents.is_array()) no_output();
        for (auto const& extent : extents)
            if (auto const name = text(extent, "filename"); !name.empty() && real(path, name, "an extent") != path)
                add_part(path, name, "an extent", read_only);
    }

    /// The guest writes to it, and an image from strangers could name another guest's disk.
    void add_part(std::string const& of, std::string const& name, char const* what, bool read_only)
    {
        auto const part = real(of, name, what);
        auto const stem = std::filesystem::path{of}.stem().string() + "-";
        bool const named_after = what != std::string_view{"a data file"} && part.ends_with(".vmdk") &&
                                 std::filesystem::path{part}.filename().string().starts_with(stem);
        if (!named_after && !is_allowed(part))
            refuse("has " + quoted(what, name) + ", which is not named after it: add ',backing=" +
                   last_words(std::filesystem::path{part}.parent_path().string()) + "' if it is its own");
        add(part, read_only);
    }

    devices::block::ImageRequest const& request_;
    std::string const image_;
    std::string const folder_;
    std::string backing_;
    std::vector<ImageFile> files_;
};

} // namespace

bool is_within(std::string_view folder, std::string_view path)
{
    if (folder == "/") return path.size() > 1;
    return path.size() > folder.size() + 1 && path.starts_with(folder) && path[folder.size()] == '/';
}

std::vector<ImageFile> image_files(devices::block::ImageRequest const& request, std::string const& image,
                                   std::string_view info)
{
    auto const chain = parse(info);
    auto const format = devices::block::name_of(request.format);
    if (text(chain.front(), "format") != format) no_output();
    if (text(member(member(chain.front(), "format-specific"), "data"), "create-type") == "streamOptimized" &&
        !request.read_only)
        refuse("is a stream-optimized VMDK, which cannot be written to: convert it, or add ',ro'");
    return Collector{request, image}.collect(chain);
}

} // namespace vmm::helper
