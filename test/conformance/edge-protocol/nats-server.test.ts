import { auditEndpoint } from './suite.ts'
import { natsServerTarget } from './targets.ts'

auditEndpoint('nats-server, the reference', natsServerTarget)
