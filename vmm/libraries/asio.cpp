/// Boost.Asio's own code, compiled once: BOOST_ASIO_SEPARATE_COMPILATION makes its headers declare it only.
#include <boost/asio/impl/src.hpp>
