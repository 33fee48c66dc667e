#pragma once
// Does an object have to be written?

#include <map>
#include <string>

#include "base/json.h"

namespace deepseek::decide {

/// Paths at which an object says false, 0 or "" and the API server stored something else, with that
/// (null: nothing). Go's types hold many fields by value: their zeros are left out, or replaced by
/// a default, and no writing puts them in.
using ReplacedZeros = std::map<std::string, Json>;

/// What became of the zeros of `desired`, told by the API server's answer to the write of just
/// that.
ReplacedZeros FindReplacedZeros(const Json& desired, const Json& answer);

/// Path of the first thing in which `observed` is not what `desired` says; empty when nothing has
/// to be written. What the API server or others added does not count: `desired` is compared as a
/// subset, quantities by value, empty maps and lists like absent ones. Nor do zeros that are as
/// `known` has them; the absence of all others means something (replicas,
/// automountServiceAccountToken, runAsUser), so they are put back where somebody takes them away.
/// Lists that server-side apply merges by key (containers, ports, volumes, owner references ...)
/// are subsets too, in any order, since what others added to them is not ours to remove; all other
/// lists must be equal in length and order, and selectors must have no key more. What we no longer
/// want is not seen here: the applied hash, which is part of `desired`, tells that.
std::string FindDifference(const Json& desired, const Json& observed,
                           const ReplacedZeros& known = {});

}  // namespace deepseek::decide
