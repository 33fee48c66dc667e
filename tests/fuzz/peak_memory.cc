// peak_memory FILE COMMAND...: runs the command, writes the peak of its resident memory in bytes to
// FILE and exits as it did (128 + signal). Small itself: the kernel counts the memory of the parent
// at the fork as the child's, so that a large parent would hide what the child needs.

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "error: peak_memory: needs FILE COMMAND...\n");
    return 1;
  }
  pid_t pid = 0;
  if (::posix_spawn(&pid, argv[2], nullptr, nullptr, argv + 2, environ) != 0) {
    std::fprintf(stderr, "error: peak_memory: %s: cannot be started\n", argv[2]);
    return 1;
  }
  int status = 0;
  rusage usage{};
  if (::wait4(pid, &status, 0, &usage) != pid) return 1;
  std::FILE* file = std::fopen(argv[1], "w");
  if (file == nullptr) return 1;
  std::fprintf(file, "%ld\n", usage.ru_maxrss * 1024);
  std::fclose(file);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
