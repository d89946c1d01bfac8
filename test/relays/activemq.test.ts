import { describe } from 'vitest'
import { isSkipped } from '../support/runtimes.ts'
import { relaySuite } from './suite.ts'

describe.skipIf(isSkipped('activemq'))('relays', () => relaySuite('activemq'))
