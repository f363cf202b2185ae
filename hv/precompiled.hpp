/// What most sources include, for builds that compile it once (PORTHOLE_PRECOMPILE). No source relies on it: each
/// includes what it uses, and the other builds tell if not. Headers that bring code of their own, as those of
/// Boost.Asio do, cost more here than they save: every object file would have that code.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>
