#pragma once
// Does an object have to be written?

#include <string>

#include "base/json.h"

namespace deepseek::decide {

/// Path of the first thing in which `observed` is not what `desired` says; empty when nothing has
/// to be written. What the API server or others added does not count: `desired` is compared as a
/// subset, quantities by value, empty maps and lists like absent ones, and so the false, 0 and ""
/// that servers do not store. Lists that server-side apply merges by key (containers, ports,
/// volumes, owner references ...) are subsets too, in any order, since what others added to them is
/// not ours to remove; all other lists must be equal in length and order, and selectors must have
/// no key more. What we no longer want is not seen here: the applied hash, which is part of
/// `desired`, tells that.
std::string FindDifference(const Json& desired, const Json& observed);

}  // namespace deepseek::decide
