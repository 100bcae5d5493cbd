<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use RustDaemon\Exception\ExtensionMissing;
use RustDaemon\Exception\ExtensionTooNew;

/**
 * Which versions of ext-rustdaemon this package works with.
 *
 * Code of this package that makes a process a worker asks first: a method that is not there, or is another one, would
 * be found out in the middle of the work. Nothing else asks: a client needs no extension, and the loader of this
 * directory runs in every request of a web server. composer.json has the same range under "conflict"; but Composer sees
 * the machine on which it runs, and once.
 *
 * @internal
 */
final class Extension
{
    /** The first version with all that this package calls. */
    public const OLDEST = '0.1.0';
    /** The first version that may have changed it. */
    public const NEXT = '0.2.0';

    /**
     * Without the extension there is nothing to check: the classes in its place come with this package.
     *
     * @throws ExtensionMissing it is older than this package
     * @throws ExtensionTooNew it is newer than this package knows
     */
    public static function check(): void
    {
        $loaded = phpversion('rustdaemon');
        if ($loaded === false) {
            return;
        }
        if (version_compare($loaded, self::OLDEST, '<')) {
            throw ExtensionMissing::older($loaded, self::OLDEST);
        }
        if (version_compare($loaded, self::NEXT, '>=')) {
            throw ExtensionTooNew::than($loaded, self::NEXT);
        }
    }
}
