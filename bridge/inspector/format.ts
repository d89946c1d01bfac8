const whole = new Intl.NumberFormat('en')
const short = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export function formatCount(value: number): string {
  return whole.format(value)
}

/** A number per second. */
export function formatRate(value: number): string {
  return value >= 100 ? whole.format(Math.round(value)) : short.format(value)
}

/** Such as `1.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${short.format(value)} ${units[unit]}`
}

/** A duration in ms, in its two largest units. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`
}

export function formatTime(ms: number): string {
  return clock.format(ms)
}

/** Time of day with ms. */
export function formatInstant(ms: number): string {
  return `${clock.format(ms)}.${String(Math.floor(ms) % 1_000).padStart(3, '0')}`
}
