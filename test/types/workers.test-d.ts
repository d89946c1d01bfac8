/** Compares the types of worker/runtime.ts with Cloudflare's types. Checked by `tsc`, not run. */
import type {
  DurableObjectLocationHint,
  DurableObjectNamespace,
  DurableObjectState,
  IncomingRequestCfProperties,
  Socket,
  SyncKvStorage,
} from '@cloudflare/workers-types'
import type {
  LocationHint,
  ObjectNamespace,
  ObjectState,
  RequestOrigin,
  SyncStore,
  TcpSocket,
} from '../../worker/runtime.ts'

type Fits<Actual extends Expected, Expected> = Actual

type KnowsHints = Fits<LocationHint, DurableObjectLocationHint>
type KnowsStore = Fits<SyncKvStorage, SyncStore>
type KnowsState = Fits<
  Pick<DurableObjectState, 'getWebSockets'>,
  { getWebSockets(): Array<Pick<ReturnType<ObjectState['getWebSockets']>[number], 'deserializeAttachment' | 'close'>> }
>
type KnowsNames = Fits<Parameters<DurableObjectNamespace['getByName']>[0], Parameters<ObjectNamespace['getByName']>[0]>
type KnowsOrigin = Fits<IncomingRequestCfProperties, RequestOrigin>
type KnowsSockets = Fits<Pick<Socket, 'opened' | 'close'>, Pick<TcpSocket, 'opened' | 'close'>>

export type { KnowsHints, KnowsNames, KnowsOrigin, KnowsSockets, KnowsState, KnowsStore }
