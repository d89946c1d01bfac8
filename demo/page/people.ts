import type { Member, Presence } from '../../sdk/index.ts'
import { element } from './element.ts'

/** A visitor is shown as typing for this time after their last signal, in ms. */
const TYPING = 3_000
/** Shortest interval between two typing signals of this page, in ms. */
const SAY_EVERY = 1_500

/** Members of the room, over all windows and bridges, and the ones that are typing. */
export class People {
  readonly #here = element('people')
  readonly #typing = element('typing')
  readonly #typists = new Map<string, ReturnType<typeof setTimeout>>()
  #presence: Presence | undefined
  #name = ''
  #saidAt = 0

  /** @param open opens the presence channel, and may reject */
  async start(open: () => Promise<Presence>): Promise<void> {
    this.#presence = await open()
    this.#presence.subscribe(({ left }) => {
      for (const { id } of left) this.#stopped(id)
      this.#show()
    })
    this.#presence.onSignal(({ id }) => this.#types(id))
    this.#show()
    await this.#join()
  }

  /** Changes the name of this visitor. */
  named(name: string): void {
    if (this.#name === name) return
    this.#name = name
    this.#join().catch(() => {})
  }

  /** Signals that this visitor is typing. */
  typing(): void {
    if (!this.#presence || Date.now() - this.#saidAt < SAY_EVERY) return
    this.#saidAt = Date.now()
    this.#presence.signal('typing').catch(() => {})
  }

  async #join(): Promise<void> {
    await this.#presence?.join({ name: this.#name })
  }

  #types(id: string): void {
    if (id === this.#presence?.self) return
    clearTimeout(this.#typists.get(id))
    this.#typists.set(
      id,
      setTimeout(() => this.#stopped(id), TYPING),
    )
    this.#showTyping()
  }

  #stopped(id: string): void {
    clearTimeout(this.#typists.get(id))
    if (this.#typists.delete(id)) this.#showTyping()
  }

  #show(): void {
    const members = [...(this.#presence?.members.values() ?? [])]
    const names = [...new Set(members.map(nameOf).filter((name) => name !== ''))].sort()
    const shown = names.length > 4 ? [...names.slice(0, 4), '…'] : names
    this.#here.textContent = `${members.length} here${shown.length > 0 ? `: ${shown.join(', ')}` : ''}`
  }

  #showTyping(): void {
    const names = [...this.#typists.keys()].map((id) => nameOf(this.#presence?.members.get(id)) || 'A visitor')
    this.#typing.textContent = names.length > 0 ? `${names.join(', ')} typing …` : ''
  }
}

function nameOf(member: Member | undefined): string {
  const { name } = (member?.state ?? {}) as { name?: unknown }
  return typeof name === 'string' ? name.slice(0, 24) : ''
}
