/// A raw image on the host's disk or in its memory, through the page cache and io_uring, against an array of bytes
/// that says what must be in it. The image becomes shorter and longer while it is in use.
///
/// The first byte: bit 0 where the image lies (the folder of temporary files, or /dev/shm), bit 1 whether blocks have
/// 4 KiB, bit 2 whether it is read-only; then its size in blocks, a value, at most 256 sectors. Steps follow. The
/// first byte says what (modulo 7), numbers called "value" are Input::value's, places and lengths are in sectors:
///   0  write: place, how many buffers (modulo 8, plus 1), the length of each (modulo 16, plus 1), what it is filled
///   with 1  read: place, buffers, lengths 2  flush 3  discard: place, a value for the length 4  write zeroes: place,
///   a value for the length 5  somebody sets the file's size: a value 6  the page cache is dropped
#include "devices/block/file_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/image.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <vector>

using namespace devices;
using namespace devices::block;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t most_sectors = 256;

/// All inputs use one: a thread for each would take longer than the rest.
std::shared_ptr<IoRing> const& ring()
{
    static auto const it = std::make_shared<IoRing>();
    return it;
}

class World {
  public:
    explicit World(Input& input)
    {
        auto const how = input.byte();
        block_ = (how & 2) != 0 ? 4096 : sector;
        read_only_ = (how & 4) != 0;
        size_ = block_ * (1 + input.value() % (most_sectors * sector / block_));
        image_ = std::make_unique<block::testing::TestImage>(
            size_, (how & 1) != 0 ? "/dev/shm" : std::filesystem::temp_directory_path().string());
        content_.resize(size_);
        if (read_only_) fill_file();
        backend_ = std::make_unique<FileBackend>(
            image_->path(), FileBackend::How{.read_only = read_only_, .block_size = block_}, ring());
        auto const& properties = backend_->properties();
        require(properties.size == size_ && properties.read_only == read_only_, "a disk is as large as its file");
        file_ = UniqueFd{::open(image_->path().c_str(), O_RDWR | O_CLOEXEC)};
    }

    void step(Input& input)
    {
        switch (input.below(7)) {
        case 0: transfer(input, Operation::Write); break;
        case 1: transfer(input, Operation::Read); break;
        case 2: expect(AwaitedRequest{Operation::Flush, 0}.run(*backend_), file_size_is_at_least(size_)); break;
        case 3: forget(input, Operation::Discard); break;
        case 4: forget(input, Operation::WriteZeroes); break;
        case 5: resize(sector * (input.value() % (most_sectors + 1))); break;
        default: (void)::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED); break;
        }
    }

    /// All of it is read once more.
    void end()
    {
        if (file_size_is_at_least(size_)) check(0, size_);
        hv::testing::Inspected seen;
        backend_->inspect(seen);
        require(seen.at("path") == image_->path(), "a disk says what it is");
    }

  private:
    using AwaitedRequest = block::testing::AwaitedRequest;

    void fill_file()
    {
        for (std::size_t i = 0; i < content_.size(); ++i)
            content_[i] = static_cast<std::byte>(i / sector + 1);
        UniqueFd const file{::open(image_->path().c_str(), O_WRONLY | O_CLOEXEC)};
        require(::pwrite(file.get(), content_.data(), size_, 0) == static_cast<ssize_t>(size_), "a file is written");
    }

    [[nodiscard]] bool file_size_is_at_least(std::uint64_t bytes) const { return image_->size() >= bytes; }

    /// A place and a length that lie within the disk, in its blocks.
    std::uint64_t place(std::uint64_t sectors, std::uint64_t& length) const
    {
        auto const offset = sectors * sector % size_ / block_ * block_;
        length = std::clamp<std::uint64_t>(length / block_ * block_, block_, size_ - offset);
        return offset;
    }

    static void expect(Result result, bool whole)
    {
        if (whole)
            require(result == Result::Done, "what lies within the file works");
        else
            require(result == Result::Done || result == Result::Shrunk || result == Result::Failed,
                    "what lies beyond the file's end is an error of that kind");
    }

    void transfer(Input& input, Operation operation)
    {
        auto const at = input.value();
        std::deque<std::vector<std::byte>> buffers;
        std::uint64_t length = 0;
        for (auto count = 1 + input.below(8); count > 0; --count) {
            buffers.emplace_back(block_ * (1 + input.below(16)));
            length += buffers.back().size();
        }
        auto const filling = operation == Operation::Write ? input.byte() : std::uint8_t{0xEE};
        if (operation == Operation::Write && read_only_) return;
        auto fitting = length;
        auto const offset = place(at, fitting);
        AwaitedRequest request{operation, offset};
        for (auto left = fitting; auto& buffer : buffers) {
            if (left == 0) break;
            buffer.resize(std::min<std::uint64_t>(buffer.size(), left));
            std::ranges::fill(buffer, std::byte{filling});
            request.add(buffer);
            left -= buffer.size();
        }
        bool const reads =
            operation == Operation::Read; // a write would make the file grow: there is none to a shorter one
        bool const whole = file_size_is_at_least(reads ? offset + fitting : size_);
        auto const result = request.run(*backend_);
        expect(result, whole);
        if (operation == Operation::Write) {
            if (result == Result::Done)
                std::fill_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), fitting, std::byte{filling});
            if (!whole) adopt(); // how far it came is not said
            return;
        }
        if (result != Result::Done) return;
        auto expected = content_.begin() + static_cast<std::ptrdiff_t>(offset);
        for (auto left = fitting; auto const& buffer : buffers) {
            if (left == 0) break;
            require(std::equal(buffer.begin(), buffer.end(), expected), "what was written is read");
            expected += static_cast<std::ptrdiff_t>(buffer.size());
            left -= buffer.size();
        }
    }

    void forget(Input& input, Operation operation)
    {
        auto const at = input.value();
        auto length = sector * (1 + input.value() % most_sectors);
        if (read_only_) return;
        auto const offset = place(at, length);
        bool const whole = file_size_is_at_least(size_);
        auto const result = AwaitedRequest{operation, offset, length}.run(*backend_);
        expect(result, whole);
        auto const first = content_.begin() + static_cast<std::ptrdiff_t>(offset);
        if (result == Result::Done && operation == Operation::WriteZeroes && whole)
            std::fill_n(first, length, std::byte{0});
        if (operation == Operation::Discard || !whole) {
            auto const before = content_;
            adopt();
            for (std::size_t i = 0; i < size_; ++i) {
                bool const inside = i >= offset && i < offset + length;
                require(content_[i] == before[i] || (inside && content_[i] == std::byte{0}),
                        "what is discarded reads as before, or as zeros, and nothing else changes");
            }
        }
    }

    void resize(std::uint64_t bytes)
    {
        if (read_only_) return;
        image_->resize(bytes);
        adopt();
    }

    /// What is in the file now; zeros beyond its end, which is what a longer file would have there.
    void adopt()
    {
        std::ranges::fill(content_, std::byte{0});
        (void)!::pread(file_.get(), content_.data(), size_, 0);
    }

    void check(std::uint64_t offset, std::uint64_t length)
    {
        std::vector<std::byte> memory(length);
        AwaitedRequest request{Operation::Read, offset};
        request.add(memory);
        expect(request.run(*backend_), true);
        require(std::ranges::equal(memory, std::span{content_}.subspan(offset, length)), "what was written is read");
    }

    std::uint64_t block_ = sector;
    bool read_only_ = false;
    std::uint64_t size_ = 0;
    std::unique_ptr<block::testing::TestImage> image_;
    std::vector<std::byte> content_;
    std::unique_ptr<FileBackend> backend_;
    UniqueFd file_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
