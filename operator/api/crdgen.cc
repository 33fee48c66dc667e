// crdgen FILE: writes the CRD (FILE ends in .yaml) or the reference page (.md).

#include <cstdio>
#include <fstream>
#include <string>

#include "operator/api/crd.h"
#include "operator/api/reference.h"

int main(int argc, char** argv) {
  const std::string path = argc == 2 ? argv[1] : "";
  const bool yaml = path.ends_with(".yaml"), markdown = path.ends_with(".md");
  if (!yaml && !markdown) {
    std::fprintf(stderr, "usage: crdgen FILE.yaml (the CRD) | FILE.md (its reference page)\n");
    return 1;
  }
  std::ofstream file(path, std::ios::binary);
  file << (yaml ? deepseek::api::CrdYaml() : deepseek::api::ReferenceMarkdown());
  file.close();
  if (!file) {
    std::fprintf(stderr, "error: crdgen: %s: cannot write (is the folder there?)\n", path.c_str());
    return 1;
  }
  return 0;
}
