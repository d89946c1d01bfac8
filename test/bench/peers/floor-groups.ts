/** Groups of clients by subscription, shared by the servers that measure the floor of a platform. */

/** Clients with the same subscription. */
interface Group<Client> {
  readonly clients: Set<Client>
  /** Messages of this turn of the event loop. */
  pending: string[]
}

/** Batches the messages of a turn, and sends the same bytes once to each client of a group. */
export class FloorGroups<Client, Frame> {
  readonly #byWish = new Map<string, Group<Client>>()
  readonly #bySubject = new Map<string, Set<Group<Client>>>()
  readonly #waiting = new Set<Group<Client>>()
  readonly #schedule: (run: () => void) => void
  readonly #encode: (text: string) => Frame
  readonly #send: (client: Client, frame: Frame) => void

  constructor(
    schedule: (run: () => void) => void,
    encode: (text: string) => Frame,
    send: (client: Client, frame: Frame) => void,
  ) {
    this.#schedule = schedule
    this.#encode = encode
    this.#send = send
  }

  /** Handles lines of `SUB` with subjects, or `PUB` with a subject and a payload. */
  take(client: Client, lines: string): void {
    for (const line of lines.split('\n')) this.#takeLine(client, line)
  }

  #takeLine(client: Client, line: string): void {
    const blank = line.indexOf(' ', 4)
    if (line.startsWith('SUB ')) return this.#join(client, line.slice(4))
    const subject = line.slice(4, blank)
    const payload = line.slice(blank + 1)
    this.#publish(subject, payload)
    if (subject.startsWith('own.')) this.#publish('own.*', payload)
    if (subject.startsWith('u.')) this.#publish('>', payload)
  }

  leave(client: Client): void {
    for (const { clients } of this.#byWish.values()) clients.delete(client)
  }

  #join(client: Client, wish: string): void {
    const group: Group<Client> = this.#byWish.get(wish) ?? { clients: new Set(), pending: [] }
    this.#byWish.set(wish, group)
    group.clients.add(client)
    for (const subject of wish.split(' '))
      this.#bySubject.set(subject, (this.#bySubject.get(subject) ?? new Set()).add(group))
    this.#send(client, this.#encode('READY'))
  }

  #publish(subject: string, payload: string): void {
    for (const group of this.#bySubject.get(subject) ?? []) {
      group.pending.push(payload)
      if (this.#waiting.size === 0) this.#schedule(() => this.#flush())
      this.#waiting.add(group)
    }
  }

  #flush(): void {
    for (const group of this.#waiting) {
      const frame = this.#encode(group.pending.join(''))
      group.pending = []
      for (const client of group.clients) this.#send(client, frame)
    }
    this.#waiting.clear()
  }
}
