import type { Events } from '../../../sdk/contract/contract.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { loadConfig } from '../settings/config-file.ts'
import { loadContract } from './load-contract.ts'

/**
 * The place of the contract: as given, else `contract` of the configuration file.
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function contractPlace(given: string | undefined): Promise<string> {
  const place = given ?? (await loadConfig()).config.contract
  if (place !== undefined) return place
  throw new SpanwireError(
    'invalid-argument',
    'No contract is named: give the file that exports it, such as events.ts, or set "contract" in spanwire.config.ts.',
  )
}

/** The contract that is named. See {@link contractPlace}. */
export async function contractOf(given: string | undefined): Promise<Events> {
  return loadContract(await contractPlace(given))
}
