import type { EventDescription } from '../contract/event-description.ts'

/** The answer of `/playground/state.json`. */
export interface PageState {
  readonly token: string
  readonly broker: string
  readonly contract?: string
  readonly events: readonly EventDescription[]
  readonly problem?: string
  readonly inspector?: string
}

export async function readState(): Promise<PageState> {
  const response = await fetch('/playground/state.json')
  if (!response.ok) throw new Error(`The bridge answered ${response.status}.`)
  return response.json()
}

/** Calls `changed` when the contract was reloaded, and when `spanwire dev` was started again. */
export function followState(changed: () => void): void {
  const source = new EventSource('/playground/updates')
  source.addEventListener('changed', changed)
  let wasLost = false
  source.addEventListener('error', () => {
    wasLost = true
  })
  source.addEventListener('open', () => {
    if (wasLost) changed()
    wasLost = false
  })
}
