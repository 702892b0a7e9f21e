import type { KeyEvent } from '../../../events/key/key.events.ts';
import type { KeyCommand } from '../../../services/keys/key.commands.ts';
import { keyDecider, type KeyState } from '../../../services/keys/key.decider.ts';

/** What a key's stream holds after some commands, of which the refused ones leave no trace. */
export function runCommands(commands: readonly KeyCommand[]): { state: KeyState; events: KeyEvent[] } {
  let state = keyDecider.initialState();
  const events: KeyEvent[] = [];
  for (const command of commands) {
    const decision = keyDecider.decide(command, state);
    if (!decision.ok) continue;
    events.push(...decision.events);
    state = fold(decision.events, state);
  }
  return { state, events };
}

export function fold(events: readonly KeyEvent[], from = keyDecider.initialState()): KeyState {
  return events.reduce((state, event) => keyDecider.evolve(state, event), from);
}
