// An EventSource does not say why it was refused. One plain request does.

/**
 * Tell whether an address is refused because nobody is signed in. No answer is no proof.
 * @param {string} address of an event stream
 * @returns {Promise<boolean>}
 */
export async function isSignedOut(address) {
  const stop = new AbortController();
  try {
    const answer = await fetch(address, { signal: stop.signal, headers: { Accept: "text/event-stream" } });
    return answer.status === 401;
  } catch {
    return false;
  } finally {
    stop.abort();
  }
}
