#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace heed {

/// Threads that parallel_for may use, the caller's own included. The default is HEED_NUM_THREADS
/// or, without it, the number of processors this process may run on. Error invalid_argument for a
/// HEED_NUM_THREADS that is no number from 1 to 4096.
int num_threads();

/// Sets num_threads() for the process; n < 1 is an Error. Not to be called from inside
/// parallel_for.
void set_num_threads(int n);

namespace internal {

/// A borrowed callable: two pointers, no allocation. The callable must outlive the call.
class TaskRef {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, TaskRef>)
      TaskRef(F& body)  // NOLINT(google-explicit-constructor)
      : object_(&body), call_([](void* object, int64_t task, int worker) {
          (*static_cast<F*>(object))(task, worker);
        }) {}
  void operator()(int64_t task, int worker) const { call_(object_, task, worker); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int);
};

void run_tasks(int64_t tasks, TaskRef body);

}  // namespace internal

/// Calls body(task, worker) once for each task in [0, tasks), on up to num_threads() threads;
/// worker is in [0, num_threads()) and no two tasks run at once with the same worker, so it can
/// index scratch. Which worker gets which task is not fixed: results may not depend on it. A call
/// from inside a task, or while another thread's call is running, runs on the calling thread alone
/// as worker 0 with scratch of its own call. The first exception a task throws is rethrown here
/// after the others have stopped.
template <class F>
void parallel_for(int64_t tasks, F&& body) {
  if (tasks == 1) {
    body(int64_t{0}, 0);
  } else if (tasks > 1) {
    internal::run_tasks(tasks, internal::TaskRef(body));
  }
}

}  // namespace heed
