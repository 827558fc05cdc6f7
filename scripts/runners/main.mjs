import { deepEqual } from 'node:assert/strict';
import { expected, use } from './use.mjs';

use().then((came) => deepEqual(came, expected));
