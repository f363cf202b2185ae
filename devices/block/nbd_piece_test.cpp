#include "devices/block/nbd_piece.hpp"
#include "devices/block/testing/answers.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

namespace devices::block {

namespace {

using testing::AwaitedRequest;
using enum NbdPiece::Kind;

constexpr std::uint64_t kib = 1 << 10;

std::vector<NbdPiece> pieces_of(Operation operation, std::uint64_t offset, std::uint64_t length,
                                NbdBlockSizes const& sizes)
{
    AwaitedRequest const request{operation, offset, length};
    std::vector<NbdPiece> pieces;
    for (std::uint64_t at = 0; at < length; at += pieces.back().wanted) {
        pieces.push_back(nbd_piece(request, at, sizes, sizes.maximum));
        auto const& piece = pieces.back();
        REQUIRE(piece.wanted != 0);
        REQUIRE(piece.at == at);
        REQUIRE(piece.offset <= offset + at);
        REQUIRE(piece.skip(request) + piece.wanted <= piece.length);
        REQUIRE(piece.offset % sizes.minimum == 0);
        REQUIRE(piece.length % sizes.minimum == 0);
        auto const most = operation == Operation::Discard || piece.kind == Zero ? sizes.clear_maximum : sizes.maximum;
        REQUIRE(piece.length <= most);
    }
    return pieces;
}

} // namespace

TEST_CASE("What a server does not say is taken for what all can do", "[storage][nbd]")
{
    auto const nothing = NbdBlockSizes::from(0, 0, 0);
    CHECK(nothing.minimum == 512);
    CHECK(nothing.preferred == 4096);
    CHECK(nothing.maximum == 32 << 20);
    auto const failed = NbdBlockSizes::from(-1, -1, -1);
    CHECK(failed.minimum == 512);
    CHECK(NbdBlockSizes::from(1, 512, 0xFFFF'FFFF).minimum == 512);
    // A liar's sizes end in ones that go together.
    auto const odd = NbdBlockSizes::from(5000, 100, 6000);
    CHECK(odd.minimum == 4096);
    CHECK(odd.preferred == 4096);
    CHECK(odd.maximum == 4096);
    CHECK(NbdBlockSizes::from(1 << 30, 0, 1).maximum == 64 * kib);
}

TEST_CASE("A request in whole blocks is cut by the maximum alone", "[storage][nbd]")
{
    auto const sizes = NbdBlockSizes::from(4096, 4096, 64 * kib);
    for (auto const operation : {Operation::Read, Operation::Write}) {
        auto const pieces = pieces_of(operation, 4096, 130 * 4096, sizes);
        REQUIRE(pieces.size() == 9);
        CHECK(pieces.front().length == 64 * kib);
        CHECK(pieces.back().length == 2 * 4096);
        CHECK(pieces.back().kind == (operation == Operation::Read ? Read : Write));
    }
}

TEST_CASE("The ends of a write that are no whole blocks are changed in their blocks", "[storage][nbd]")
{
    auto const sizes = NbdBlockSizes::from(4096, 4096, 64 * kib);
    auto const pieces = pieces_of(Operation::Write, 512, 2 * 4096, sizes);
    REQUIRE(pieces.size() == 3);
    CHECK(pieces[0].kind == WriteBlock);
    CHECK(pieces[0].wanted == 4096 - 512);
    CHECK(pieces[1].kind == Write);
    CHECK(pieces[1].offset == 4096);
    CHECK(pieces[2].kind == WriteBlock);
    CHECK(pieces[2].wanted == 512);
    auto const inside = pieces_of(Operation::Write, 1024, 512, sizes);
    REQUIRE(inside.size() == 1);
    CHECK(inside[0].kind == WriteBlock);
    CHECK(inside[0].wanted == 512);
}

TEST_CASE("A read takes the blocks around it, and a discard those inside", "[storage][nbd]")
{
    auto const sizes = NbdBlockSizes::from(4096, 4096, 64 * kib);
    auto const read = pieces_of(Operation::Read, 512, 8192, sizes);
    REQUIRE(read.size() == 1);
    CHECK(read[0].length == 3 * 4096);
    auto const discard = pieces_of(Operation::Discard, 512, 8192, sizes);
    REQUIRE(discard.size() == 3);
    CHECK(discard[0].kind == Nothing);
    CHECK(discard[1].kind == Trim);
    CHECK(discard[1].length == 4096);
    CHECK(discard[2].kind == Nothing);
}

TEST_CASE("Zeroes longer than the maximum go in one command, or as data", "[storage][nbd]")
{
    auto sizes = NbdBlockSizes::from(4096, 4096, 64 * kib);
    auto pieces = pieces_of(Operation::WriteZeroes, 0, 1024 * kib, sizes);
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0].kind == Zero);
    sizes.writes_zeroes = false;
    pieces = pieces_of(Operation::WriteZeroes, 0, 1024 * kib, sizes);
    REQUIRE(pieces.size() == 16);
    CHECK(pieces[0].kind == WriteZeros);
}

} // namespace devices::block
