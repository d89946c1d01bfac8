/** The way around a network that lets no WebSocket through. */
import type { SpanwireError } from '../../wire/errors.ts'
import type { LinkSocket } from '../link-socket.ts'
import { examine } from '../reach.ts'

/** How often a WebSocket is tried while the bridge is reached without one, in ms. */
const PROBE = 60_000
/** Upper bound of that: it doubles when a WebSocket that could be opened did not last. */
const LONGEST_PROBE = 10 * 60_000
/** How long a WebSocket may take to bring the first bytes of the bridge, in ms. */
const PATIENCE = 5_000

/** Addresses that are reached without a WebSocket. */
interface Detour {
  /** In ms since 1970. */
  until: number
  /** Time between probes, in ms. */
  period: number
  /** When a WebSocket could be opened again, in ms since 1970. */
  returned: number
}

const detours = new Map<string, Detour>()

function detourOf(url: string): Detour {
  const found = detours.get(url) ?? { until: 0, period: PROBE, returned: Number.NEGATIVE_INFINITY }
  detours.set(url, found)
  return found
}

/** Decides for one client whether its network blocks WebSockets. */
export interface Evidence {
  /**
   * Decides whether to use the fallback. `why` explains the failures, unless the next attempt may succeed.
   * @param failures failed attempts since the last connection
   */
  weigh(failures: number): Promise<{ readonly isBlocked: boolean; readonly why?: SpanwireError | undefined }>
}

/**
 * A failed attempt counts if the bridge was ready before and after it, because a bridge that restarts refuses WebSockets.
 * One attempt without an answer is sufficient. Clients count it as two.
 * @param url URL of the WebSocket
 */
export function createEvidence(url: string, via: string | undefined): Evidence {
  /** Failures and state of the bridge at the last examination. */
  let examined = 0
  let wasReady = false
  return {
    async weigh(failures) {
      const detour = detourOf(url)
      if (via === 'sse' || Date.now() < detour.until) return { isBlocked: true }
      if (failures === 0) return { isBlocked: false }
      const { isReady, error } = await examine(toAddress(url))
      const isFirst = examined === 0 || failures <= examined
      const isProven = isReady && (isFirst ? failures > 1 : wasReady)
      examined = failures
      wasReady = isReady
      const why = isReady && !isProven ? undefined : error
      if (!isProven || via === 'websocket') return { isBlocked: false, why }
      const isSoon = Date.now() - detour.returned < LONGEST_PROBE
      detour.period = isSoon ? Math.min(2 * detour.period, LONGEST_PROBE) : PROBE
      extend(detour)
      return { isBlocked: true, why }
    },
  }
}

/**
 * The same socket, which tries a WebSocket from time to time and calls `onleave` once one can be opened.
 * @param url of the WebSocket
 * @param open opens a WebSocket
 */
export function probing(socket: LinkSocket, url: string, open: () => LinkSocket): LinkSocket {
  const detour = detourOf(url)
  let timer: ReturnType<typeof setTimeout>
  const plan = () => {
    timer = setTimeout(async () => {
      if (!(await opens(open))) {
        extend(detour)
        return plan()
      }
      detour.until = 0
      detour.returned = Date.now()
      probed.onleave?.()
    }, detour.period)
  }
  const probed: LinkSocket = {
    binaryType: socket.binaryType,
    get onmessage() {
      return socket.onmessage
    },
    set onmessage(listener) {
      socket.onmessage = listener
    },
    get onclose() {
      return socket.onclose
    },
    set onclose(listener) {
      socket.onclose = (event) => {
        clearTimeout(timer)
        listener?.(event)
      }
    },
    onleave: null,
    send: (bytes) => socket.send(bytes),
    close() {
      clearTimeout(timer)
      socket.close()
    },
  }
  plan()
  return probed
}

/** A client that loses its connection meanwhile goes around again. */
function extend(detour: Detour): void {
  detour.until = Date.now() + detour.period + PATIENCE
}

/** The bridge's address: that of the WebSocket without `/nats`. */
export function toAddress(url: string): string {
  return url.replace(/^ws/, 'http').replace(/\/nats\/?(\?.*)?$/s, '')
}

/** Whether a WebSocket brings the first bytes of a server. */
function opens(open: () => LinkSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = open()
    const end = (outcome: boolean) => {
      clearTimeout(timer)
      socket.onmessage = socket.onclose = null
      socket.close()
      resolve(outcome)
    }
    const timer = setTimeout(end, PATIENCE, false)
    socket.onmessage = () => end(true)
    socket.onclose = () => end(false)
  })
}
