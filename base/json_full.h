#pragma once
// The whole of nlohmann::json: include this in .cc files only (it costs about a second to compile).
#include <nlohmann/json.hpp>

#include "base/json.h"
