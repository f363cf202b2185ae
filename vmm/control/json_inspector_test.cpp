#include "hv/testing/catch.hpp"
#include "vmm/control/json_inspector.hpp"

using hv::InspectedNode;
using nlohmann::json;
using vmm::control::JsonInspector;

TEST_CASE("the tree that an inspector is told comes out as JSON", "[control][inspect]")
{
    JsonInspector inspector;
    inspector.number("n", 3);
    {
        InspectedNode const outer{inspector, "outer"};
        inspector.flag("f", true);
        InspectedNode const inner{inspector, "inner"};
        inspector.text("t", "x");
        inspector.hex("h", 0x1F);
    }
    inspector.graft("g", {{"a", 1}});
    CHECK(inspector.take() ==
          json{{"n", 3}, {"outer", {{"f", true}, {"inner", {{"t", "x"}, {"h", "0x1f"}}}}}, {"g", {{"a", 1}}}});
}

TEST_CASE("two nodes of one name are both kept", "[control][inspect]")
{
    JsonInspector inspector;
    for (auto const value : {1U, 2U, 3U}) {
        InspectedNode const node{inspector, "disk"};
        inspector.number("n", value);
    }
    CHECK(inspector.take() == json{{"disk", {{"n", 1}}}, {"disk (2)", {{"n", 2}}}, {"disk (3)", {{"n", 3}}}});
}

TEST_CASE("a tree stays within its bounds, whatever is told", "[control][inspect]")
{
    JsonInspector inspector;
    inspector.text("long", std::string(5000, 'x'));
    for (std::size_t i = 0; i < JsonInspector::most_values; ++i) {
        InspectedNode const node{inspector, std::to_string(i)};
        inspector.number("n", i);
    }
    auto const tree = inspector.take();
    CHECK(tree["long"].get<std::string>().size() == JsonInspector::longest_text);
    CHECK(tree["truncated"] == true);
    CHECK(tree.size() <= JsonInspector::most_values + 1);
}
