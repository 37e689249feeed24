#include "bootstrap/thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <system_error>

#include "base/error.hpp"

namespace sluice::bootstrap {

Result<std::thread> start_thread(const char* name, std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the new thread inherits it
  int error = 0;
  std::thread thread;
  try {
    thread = std::thread(std::move(body));
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return fail_os("a thread could not be started",
                   fmt::format("the thread {} could not be started", name), error);
  }
  ::pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace sluice::bootstrap
