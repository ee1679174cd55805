/**
 * What serving a request comes to, unless the signal aborts first: opening a link may take longer than one request has. An
 * answer that comes too late is thrown away.
 */
export function servedInTime(serving: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason);
      serving.then((late) => late.body?.cancel()).catch(() => {});
    };
    signal.addEventListener("abort", giveUp, { once: true });
    serving.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
    if (signal.aborted) giveUp();
  });
}
