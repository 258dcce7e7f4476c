package Smokeping::probes::RPing;

# A probe of SmokePing that measures with rping: by ICMP without privilege, and by TCP, UDP and STAMP. Install it as
# Smokeping/probes/RPing.pm; its variables are described by `smokeping -man Smokeping::probes::RPing`.

use strict;
use base qw(Smokeping::probes::base);
use IPC::Open3;
use Symbol;
use Carp;

sub pod_hash {
    return {
        name        => "Smokeping::probes::RPing - delays by ICMP, TCP, UDP or STAMP",
        overview    => "Measures many targets with one run of rping, by the method that C<options> names.",
        description => "Each round is one run: C<rping --json -c PINGS -i INTERVAL OPTIONS HOST...>. Late answers and duplicates do not count.",
        authors     => "The netprobe authors",
        see_also    => "L<rping(1)>",
    };
}

sub new($$$) {
    my ($proto, @rest) = @_;
    my $class = ref($proto) || $proto;
    my $self  = $class->SUPER::new(@rest);
    unless ($ENV{SERVER_SOFTWARE}) {
        my $binary = $self->{properties}{binary};
        my $found  = `$binary -V 2>&1`;
        croak "ERROR: $binary is no rping: $found" unless $found =~ /^rping /;
        $self->do_log("### $found");
    }
    return $self;
}

sub ProbeDesc($) {
    my $self = shift;
    return "rping " . ($self->{properties}{options} || "--icmp");
}

sub ProbeUnit($) { return "Seconds" }

sub ping($) {
    my $self  = shift;
    my $pings = $self->pings;
    my @words = split ' ', ($self->{properties}{options} || '');
    my @run   = ($self->{properties}{binary}, '--json', '-c', $pings, '-i', $self->{properties}{interval}, @words, @{$self->addresses});
    my $pid   = open3(my $in, my $out, undef, @run);
    close $in;
    my %delays;
    $self->{rtts} = {};
    while (my $line = <$out>) {
        next unless $line =~ /^\{"type":"reply","target":"([^"]+)"/;
        my $target = $1;
        next unless $line =~ /"duplicate":false/ and $line =~ /"late":false/ and $line =~ /"rtt_ms":([0-9.e-]+)/;
        push @{$delays{$target}}, $1 / 1000;
    }
    waitpid $pid, 0;
    for my $target (keys %delays) {
        my @sorted = map { sprintf "%.10e", $_ } sort { $a <=> $b } @{$delays{$target}};
        $self->{rtts}{$_} = [@sorted] for @{$self->{addrlookup}{$target}};
    }
}

sub probevars {
    my $class = shift;
    return $class->_makevars($class->SUPER::probevars, {
        _mandatory => ['binary'],
        binary     => {_doc => "The location of rping.", _example => '/usr/bin/rping',
                       _sub => sub { my $val = shift; return "ERROR: 'binary' does not point to an executable" unless -f $val and -x _; return undef }},
        options    => {_doc => "The method and more options of rping, as on its command line.", _example => '--tcp=443'},
        interval   => {_doc => "Seconds between the probes to one target.", _default => '0.2', _example => '0.2'},
    });
}

1;
